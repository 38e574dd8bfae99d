package responder

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/score"
)

// nonces remembers which nonce was sent to which source. A guess that carries
// one of them has received it: its source is no forged one, unless answers to it
// went astray. A Via with maddr has Asterisk send the answer to a forged request
// to the forger, and PJSIP gives a source the same nonce all through a second,
// so that the forger also sees what the source itself is sent.
//
// It is of fixed size, with one place for a nonce, by a hash that nobody
// outside can compute; a nonce takes the place of another one. What is lost
// that way costs proof, never a wrong one. Sources that share a place for what
// went astray share the doubt.
type nonces struct {
	seed   maphash.Seed
	slots  []sentNonce
	astray []uint32 // when an answer to a source of that place last was, in seconds since 1970
	unseen uint32   // when challenges last went unseen, of whom one may have been
}

type sentNonce struct {
	hash uint64 // of the source and the nonce; 0: none
	at   uint32 // seconds since 1970
}

const (
	// nonceSlots is room for the challenges of a flood, in 1 MB.
	nonceSlots = 1 << 16
	// nonceLasts is how long a nonce counts after it was sent. Asterisk's own
	// live for 32 s by default; an answer with one that has just run out proves
	// as much.
	nonceLasts = 120
	// astrayLasts is how long a source proves nothing over UDP: longer than the
	// nonces of anybody's Asterisk live (nonce_lifetime).
	astrayLasts = 600
)

func newNonces() *nonces {
	return &nonces{seed: maphash.MakeSeed(), slots: make([]sentNonce, nonceSlots), astray: make([]uint32, nonceSlots)}
}

// Challenged takes a nonce that left for an address, in the answer to a request
// that Asterisk had from another, or from the same. Without an address it says
// that some were not seen. It may be called from any goroutine; nonce is
// borrowed.
func (r *Responder) Challenged(now time.Time, to, of netip.Addr, nonce []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !to.IsValid():
		r.nonces.unseen = uint32(now.Unix())
	case to != of:
		r.nonces.stray(now, of)
		r.counters.Astray++
	default:
		r.nonces.sent(now, to, nonce)
		r.counters.Challenges++
	}
}

// prove weighs what an attempt over UDP proves of its source. The caller holds
// the lock.
func (r *Responder) prove(now time.Time, e *ami.Event, o *score.Observation) {
	switch {
	case o.Transport > score.UDP:
	case r.nonces.doubtful(now, o.Source):
		o.Proof = score.Claimed
	case r.nonces.answered(now, o.Source, nonceOf(e)):
		o.Proof = score.Proven
	}
}

func (n *nonces) sent(now time.Time, to netip.Addr, nonce []byte) {
	if h, ok := n.hash(to, nonce); ok {
		n.slots[h%nonceSlots] = sentNonce{h, uint32(now.Unix())}
	}
}

func (n *nonces) stray(now time.Time, source netip.Addr) {
	if h, ok := n.hash(source, nil); ok {
		n.astray[h%nonceSlots] = uint32(now.Unix())
	}
}

// doubtful says whether answers to a source may have gone astray.
func (n *nonces) doubtful(now time.Time, source netip.Addr) bool {
	h, ok := n.hash(source, nil)
	return !ok || now.Unix()-int64(max(n.astray[h%nonceSlots], n.unseen)) < astrayLasts
}

// answered says whether this nonce was sent to this source a short time ago.
func (n *nonces) answered(now time.Time, by netip.Addr, nonce []byte) bool {
	h, ok := n.hash(by, nonce)
	if !ok || len(nonce) == 0 {
		return false
	}
	s := n.slots[h%nonceSlots]
	age := now.Unix() - int64(s.at)
	return s.hash == h && age <= nonceLasts && age >= -1
}

func (n *nonces) hash(source netip.Addr, nonce []byte) (uint64, bool) {
	prefix := score.SourcePrefix(source)
	if !prefix.IsValid() {
		return 0, false
	}
	var h maphash.Hash
	h.SetSeed(n.seed)
	addr := prefix.Addr().As16()
	h.Write(addr[:])
	h.Write(nonce)
	return max(h.Sum64(), 1), true
}

// nonceOf is the nonce that a failed attempt says it answers; nil when that
// proves nothing. With chan_sip it does not: that sends a challenge it has made
// once to whoever repeats the request, from another address, too (check_auth).
func nonceOf(e *ami.Event) []byte {
	if e.Kind == ami.ChallengeResponseFailed && string(e.Service) == "PJSIP" {
		return e.Challenge // what the client sent
	}
	return nil
}
