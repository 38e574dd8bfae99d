package score

import (
	"hash/maphash"
	"net/netip"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Challenges stores the users named in the From header of chan_sip INVITEs. The
// events that chan_sip raises for an INVITE contain the dialled extension as the
// account, but its ChallengeSent for the same session contains the From URI, such as
// "sip:1002@192.0.2.1". The user is claimed by the client: Asterisk finds the peer by
// it, or by the address, and checks the digest against that peer.
//
// The size is fixed; a session may replace another one, which is then unknown.
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

// NewChallenges returns an empty Challenges.
func NewChallenges() *Challenges { return &Challenges{seed: maphash.MakeSeed()} }

// Remember stores the user of an INVITE's ChallengeSent. It ignores anything else.
func (c *Challenges) Remember(o *Observation) {
	if o.Signal != ChallengeSent {
		return
	}
	user, _, _ := event.SplitURI(o.Account)
	user = event.UnescapeUser(user)
	if len(user) == 0 || len(user) > maxAccount {
		return
	}
	if c.slots == nil { // only PBXs with chan_sip need it
		c.slots = make([]challenge, challengeSlots)
	}
	s, h := c.slot(o.Source, o.Session)
	s.session = h
	s.user.n = uint8(copy(s.user.text[:], user))
}

// From returns the user challenged last in a session; ok is false if there is none.
// The slice is valid until the next call of Remember.
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

// hashSession hashes a session together with its source, because clients choose their
// Call-IDs.
func hashSession(seed maphash.Seed, source netip.Addr, session []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	raw := source.As16() // IPv4 addresses in mapped form: Asterisk may write either
	h.Write(raw[:])
	h.Write(session)
	return h.Sum64()
}
