package responder

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// nonces remembers which nonce was sent to which source. A guess that carries
// one of them has received it: its source is no forged one, unless the nonce
// went astray. A Via with maddr has Asterisk send the answer to a forged request
// to the forger, and PJSIP gives a source the same nonce all through a second,
// so that the forger also sees what the source itself is sent. A nonce that went
// elsewhere once is no proof for anybody.
//
// A login tells no nonce: it is no proof where an answer to its source may have
// gone astray. Strangers can bring that about for others, by forged requests or
// by addresses written into their own.
//
// It is of fixed size, with one place for a nonce and one for a source, by a hash
// that nobody outside can compute. What shares a place costs proof, never gives a
// wrong one: a nonce takes the place of another, but not of one that went astray,
// and sources that went astray at one place make all of that place doubtful.
type nonces struct {
	seed   maphash.Seed
	slots  []mark // by nonce: whom it was sent to
	astray []mark // by source: an answer to it went elsewhere
	unseen uint32 // when challenges last went unseen, of which one may have
}

// mark is what a place holds.
type mark struct {
	hash uint64 // of the source, and of the nonce; 0: any of this place went astray
	at   uint32 // seconds since 1970
}

const (
	// nonceSlots is room for the challenges of a flood, in 1 MB.
	nonceSlots = 1 << 16
	// nonceLasts is how long a nonce counts after it was sent, or went astray:
	// longer than PJSIP sends an answer again, 32 s. Asterisk's own live for 32 s
	// by default; an answer with one that has just run out proves as much.
	nonceLasts = 120
	// astrayLasts is how long a source's logins over UDP prove nothing: longer
	// than the nonces of anybody's Asterisk live (nonce_lifetime).
	astrayLasts = 600
)

func newNonces() *nonces {
	return &nonces{seed: maphash.MakeSeed(), slots: make([]mark, nonceSlots), astray: make([]mark, nonceSlots)}
}

// Challenged takes a nonce that left for an address, in the answer to a request
// that Asterisk had from another, or from the same, or from one of these. Without
// an address it says that some were not seen. It may be called from any
// goroutine; of and nonce are borrowed.
func (r *Responder) Challenged(now time.Time, to netip.Addr, of []netip.Addr, nonce []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !to.IsValid():
		r.nonces.unseen = uint32(now.Unix())
	case len(of) == 1 && of[0] == to:
		r.nonces.sent(now, to, nonce)
		r.counters.Challenges++
	default:
		r.nonces.leaked(now, nonce)
		for _, source := range of {
			r.nonces.stray(now, source)
		}
		r.counters.Astray++
	}
}

// Unproven is for how long nothing over UDP proves anything yet, because some
// challenges were not seen.
func (r *Responder) Unproven(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, time.Unix(int64(r.nonces.unseen)+astrayLasts, 0).Sub(now))
}

// prove weighs what an attempt over UDP proves of its source. The caller holds
// the lock.
func (r *Responder) prove(now time.Time, e *event.Event, o *score.Observation) {
	switch {
	case o.Transport > event.UDP:
	case younger(now, r.nonces.unseen, astrayLasts), o.Proof == score.Proven && r.nonces.doubtful(now, o.Source):
		o.Proof = score.Spoofable
	case r.nonces.answered(now, o.Source, nonceOf(e)):
		o.Proof = score.Proven
	}
}

func (n *nonces) sent(now time.Time, to netip.Addr, nonce []byte) {
	m := n.slot(nonce)
	if h, ok := n.hash(to, nonce); ok && (m.hash != 0 || !younger(now, m.at, nonceLasts)) {
		*m = mark{h, uint32(now.Unix())}
	}
}

func (n *nonces) leaked(now time.Time, nonce []byte) { *n.slot(nonce) = mark{at: uint32(now.Unix())} }

func (n *nonces) stray(now time.Time, source netip.Addr) {
	h, ok := n.hash(source, nil)
	if !ok {
		return
	}
	m := &n.astray[h%nonceSlots]
	if m.hash != h && younger(now, m.at, astrayLasts) {
		h = 0
	}
	*m = mark{h, uint32(now.Unix())}
}

// doubtful says whether answers to a source may have gone astray.
func (n *nonces) doubtful(now time.Time, source netip.Addr) bool {
	h, ok := n.hash(source, nil)
	if !ok {
		return true
	}
	m := n.astray[h%nonceSlots]
	return (m.hash == h || m.hash == 0) && younger(now, m.at, astrayLasts)
}

// answered says whether this nonce was sent to this source a short time ago,
// and to nobody else.
func (n *nonces) answered(now time.Time, by netip.Addr, nonce []byte) bool {
	if len(nonce) == 0 {
		return false
	}
	h, ok := n.hash(by, nonce)
	m := n.slot(nonce)
	return ok && m.hash == h && younger(now, m.at, nonceLasts) && now.Unix() >= int64(m.at)-1
}

// slot is the place of a nonce.
func (n *nonces) slot(nonce []byte) *mark { return &n.slots[maphash.Bytes(n.seed, nonce)%nonceSlots] }

func (n *nonces) hash(source netip.Addr, nonce []byte) (uint64, bool) {
	prefix := event.SourcePrefix(source)
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

// younger says whether at, in seconds since 1970, is less than so many ago.
func younger(now time.Time, at uint32, seconds int64) bool { return now.Unix()-int64(at) < seconds }

// nonceOf is the nonce that a failed attempt says it answers; nil when that
// proves nothing. With chan_sip it does not: that sends a challenge it has made
// once to whoever repeats the request, from another address, too (check_auth).
func nonceOf(e *event.Event) []byte {
	if e.Kind == event.ChallengeResponseFailed && string(e.Service) == "PJSIP" {
		return e.Challenge // what the client sent
	}
	return nil
}
