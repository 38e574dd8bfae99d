package intake

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Nonces remembers the nonces that Asterisk issued over UDP, each with the network it
// was sent to and the accounts it belongs to. It tells a phone that answers an old
// nonce from a guesser who invented one.
//
// It calls a nonce foreign only if it has seen all that were issued. So it records
// since when it has: since the first response it saw, since the last packet it missed,
// and in each bucket since the newest nonce that made room for another. Its tables have
// a fixed size.
type Nonces struct {
	seed    maphash.Seed
	since   uint32 // since when all nonces were seen, in seconds since 1970; 0: none yet
	buckets []nonceBucket
	// connected is when an account, by its hash, was last seen over a connection,
	// where its nonces are not. Accounts that share a place share the time.
	connected []uint32
}

// nonceBucket holds the nonces of one hash value, in no order.
type nonceBucket struct {
	issued [nonceWays]issuedNonce
	since  uint32 // since when none had to make room
}

// issuedNonce is one nonce. The zero value is free.
type issuedNonce struct {
	hash     uint64
	accounts uint64 // a bit for each account it belongs to, by accountBit
	network  uint32 // a hash of where it was sent; 0: to several
	at       uint32 // seconds since 1970
}

const (
	// nonceBuckets is room for 131,072 nonces in 3 MB: a challenge every second
	// for a day and a half.
	nonceBuckets = 1 << 13
	nonceWays    = 16
	// connectedSlots is room for the accounts that sign in over connections.
	connectedSlots = 1 << 14
	// nonceKept is how long a phone may keep a nonce that does not tell its age:
	// over a weekend in standby. An unknown one is foreign only if all nonces of so
	// long were seen.
	nonceKept = 72 * 60 * 60
	// nonceMargin is how far the times of a nonce and of what was seen may differ,
	// in seconds.
	nonceMargin = 2
)

func newNonces() *Nonces {
	return &Nonces{seed: maphash.MakeSeed(), buckets: make([]nonceBucket, nonceBuckets), connected: make([]uint32, connectedSlots)}
}

// Issued records the nonces in a response that leaves for an address. They belong to the
// account that the request named. It borrows r.
func (n *Nonces) Issued(now time.Time, to netip.Addr, r *sip.Response) {
	if n.since == 0 {
		n.Missed(now)
	}
	if r.Status != 401 && r.Status != 407 {
		return
	}
	from, _ := r.Names()
	network, account, seen := n.network(to), n.accountBit(from), false
	r.Nonces(func(nonce []byte) {
		seen = true
		n.issue(now, nonce, network, account)
	})
	if !seen {
		n.Missed(now) // the packet was cut off before the nonce
	}
}

func (n *Nonces) issue(now time.Time, nonce []byte, network uint32, account uint64) {
	bucket, is := n.find(nonce)
	if is == nil {
		is = bucket.oldest()
		if is.at != 0 {
			bucket.since = max(bucket.since, is.at+1+nonceMargin)
		}
		*is = issuedNonce{hash: maphash.Bytes(n.seed, nonce), network: network, at: uint32(now.Unix())}
	}
	if is.network != network {
		is.network = 0
	}
	is.accounts |= account
}

// Used records that an account signed in with a nonce: it belongs to the account
// from now on, wherever it was sent.
func (n *Nonces) Used(account, nonce string) {
	if _, is := n.find([]byte(nonce)); is != nil {
		is.accounts |= n.accountBit([]byte(account))
	}
}

// Connected records that an account was issued a nonce, or signed in, over a
// connection.
func (n *Nonces) Connected(now time.Time, account []byte) {
	slot := n.connection(account)
	*slot = max(*slot, uint32(now.Unix()))
}

// Missed records that some nonces may have been issued unseen.
func (n *Nonces) Missed(now time.Time) { n.since = uint32(now.Unix()) + nonceMargin }

// Foreign says that no phone of an account can have had this nonce at this address:
// it was never issued, or for others and elsewhere. It is false in doubt: for a
// nonce from before all of them were seen, and for one that the account may have
// got over a connection.
func (n *Nonces) Foreign(now time.Time, account string, at netip.Addr, nonce string) bool {
	bucket, is := n.find([]byte(nonce))
	if is != nil {
		return is.network != 0 && is.network != n.network(at) && is.accounts&n.accountBit([]byte(account)) == 0
	}
	if n.since == 0 {
		return false
	}
	since, connected := max(n.since, bucket.since), *n.connection([]byte(account))
	if issued, ok := issueTime(nonce); ok {
		return issued >= int64(since) && issued <= now.Unix()+nonceMargin && issued > int64(connected)+nonceMargin
	}
	return now.Unix()-int64(since) >= nonceKept && connected == 0
}

// find returns the bucket of a nonce, and the nonce in it; nil if it was not issued.
func (n *Nonces) find(nonce []byte) (bucket *nonceBucket, is *issuedNonce) {
	h := maphash.Bytes(n.seed, nonce)
	bucket = &n.buckets[h%nonceBuckets]
	for i := range bucket.issued {
		if is := &bucket.issued[i]; is.hash == h && is.at != 0 {
			return bucket, is
		}
	}
	return bucket, nil
}

// oldest is a free place, or the nonce that makes room for another.
func (b *nonceBucket) oldest() *issuedNonce {
	oldest := &b.issued[0]
	for i := range b.issued {
		if b.issued[i].at < oldest.at {
			oldest = &b.issued[i]
		}
	}
	return oldest
}

// network is a hash of the network of an address: the addresses of a pool that a
// phone may be given in turn count as one.
func (n *Nonces) network(a netip.Addr) uint32 {
	h := newHash(n.seed)
	hashAddr(&h, event.NetworkPrefix(a).Addr())
	return uint32(h.Sum64()) | 1
}

// accountBit is one of 64 bits, by a hash of an account's name; 0 for none. The case
// of the name does not matter, as with chan_sip, nor does an escape.
func (n *Nonces) accountBit(name []byte) uint64 {
	if len(name) == 0 {
		return 0
	}
	return 1 << (n.accountHash(name) % 64)
}

func (n *Nonces) connection(account []byte) *uint32 {
	return &n.connected[n.accountHash(account)%connectedSlots]
}

func (n *Nonces) accountHash(name []byte) uint64 {
	h := newHash(n.seed)
	for _, c := range event.UnescapeUser(name) {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		_ = h.WriteByte(c)
	}
	return h.Sum64()
}

// issueTime is when a nonce of PJSIP's says it was made, in seconds since 1970
// (build_nonce, `<time>/<hash>`). Those of chan_sip do not say it.
func issueTime(nonce string) (at int64, ok bool) {
	for i := range len(nonce) {
		switch c := nonce[i]; {
		case c == '/':
			return at, i > 0
		case c < '0' || c > '9' || i == 12:
			return 0, false
		default:
			at = at*10 + int64(c-'0')
		}
	}
	return 0, false
}
