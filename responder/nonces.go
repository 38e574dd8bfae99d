package responder

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/score"
)

// nonces remembers which nonce was sent to which source. A guess that carries
// one of them has received it: its source is no forged one.
//
// It is of fixed size, with one place for a nonce, by a hash that nobody
// outside can compute; a nonce takes the place of another one. What is lost
// that way costs proof, never a wrong one.
type nonces struct {
	seed  maphash.Seed
	slots []sentNonce
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
)

func newNonces() *nonces {
	return &nonces{seed: maphash.MakeSeed(), slots: make([]sentNonce, nonceSlots)}
}

func (n *nonces) sent(now time.Time, to netip.Addr, nonce []byte) {
	if h, ok := n.hash(to, nonce); ok {
		n.slots[h%nonceSlots] = sentNonce{h, uint32(now.Unix())}
	}
}

// answered says whether this nonce was sent to this source a short time ago.
func (n *nonces) answered(now time.Time, by netip.Addr, nonce []byte) bool {
	h, ok := n.hash(by, nonce)
	if !ok {
		return false
	}
	s := n.slots[h%nonceSlots]
	age := now.Unix() - int64(s.at)
	return s.hash == h && age <= nonceLasts && age >= -1
}

func (n *nonces) hash(source netip.Addr, nonce []byte) (uint64, bool) {
	prefix := score.SourcePrefix(source)
	if !prefix.IsValid() || len(nonce) == 0 {
		return 0, false
	}
	var h maphash.Hash
	h.SetSeed(n.seed)
	addr := prefix.Addr().As16()
	h.Write(addr[:])
	h.Write(nonce)
	return max(h.Sum64(), 1), true
}

// nonceOf is the nonce that a failed attempt says it answers; nil when the
// event does not tell.
func nonceOf(e *ami.Event) []byte {
	switch {
	case e.Kind == ami.ChallengeResponseFailed && string(e.Service) == "PJSIP":
		return e.Challenge // what the client sent
	case e.Kind == ami.InvalidPassword:
		return e.ReceivedChallenge
	}
	return nil
}
