package score

import (
	"hash/maphash"
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Challenges remembers who a chan_sip INVITE said it was from. chan_sip names
// the dialled extension as the account of what it says of an INVITE, but its
// ChallengeSent for the same session gives the From URI, like
// "sip:1002@192.0.2.1". The name is the client's claim: the digest that
// follows is verified for the peer Asterisk found by it, or by the address.
//
// Its size is fixed; a session takes another's place, which then is unknown.
// Challenges has no lock: its owner calls it from one goroutine at a time.
type Challenges struct {
	seed  maphash.Seed
	slots []challenge
}

type challenge struct {
	session uint64
	user    name
}

const challengeSlots = 1 << 13

// NewChallenges makes an empty Challenges.
func NewChallenges() *Challenges { return &Challenges{seed: maphash.MakeSeed()} }

// Remember takes in the ChallengeSent of an INVITE; it ignores anything else.
func (c *Challenges) Remember(o *Observation) {
	if o.Signal != ChallengeSent {
		return
	}
	user, _, _ := event.SplitURI(o.Account)
	if len(user) == 0 || len(user) > maxAccount {
		return
	}
	if c.slots == nil { // nobody but chan_sip pays for it
		c.slots = make([]challenge, challengeSlots)
	}
	s, h := c.slot(o.Source, o.Session)
	s.session = h
	s.user.n = uint8(copy(s.user.text[:], user))
}

// From is the user who was challenged last in a session; ok is false when none
// is remembered. The slice is valid until the next call of Remember.
func (c *Challenges) From(source netip.Addr, session []byte) (user []byte, ok bool) {
	if c.slots == nil {
		return nil, false
	}
	s, h := c.slot(source, session)
	if s.session != h || s.user.n == 0 {
		return nil, false
	}
	return s.user.bytes(), true
}

func (c *Challenges) slot(source netip.Addr, session []byte) (*challenge, uint64) {
	h := hashSession(c.seed, source, session)
	return &c.slots[h%challengeSlots], h
}

// hashSession tells sessions apart: Call-IDs are the client's choice, so that
// the source belongs to it.
func hashSession(seed maphash.Seed, source netip.Addr, session []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	raw := source.As16() // an IPv4 address as its mapped form; Asterisk may write either
	h.Write(raw[:])
	h.Write(session)
	return h.Sum64()
}
