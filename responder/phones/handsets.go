package phones

import (
	"hash/maphash"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// A phone registers again and again with one Call-ID, until it restarts (RFC 3261 section
// 10.2), and PJSIP's events name it as their session. Only the phone, Asterisk, and whoever
// is on the path between them see it. So a request with a Call-ID that an account signed in
// with where it is known comes from one of its own phones, wherever that is now.

const (
	// callIDFor is how long after its last use a Call-ID counts: longer than a laptop
	// sleeps.
	callIDFor = 7 * 24 * time.Hour
	// maxCallIDs is how many are kept of an account. Each of its calls has another one.
	maxCallIDs = 32
	// minCallID is how long one must be that nobody guesses, in bytes.
	minCallID = 8
	// maxHandsets bounds the accounts.
	maxHandsets = 1 << 14
	// sureFor is how long after its first success an address can be taken off probation by a
	// Call-ID, since a call may come before the registration. It is short, so that a thief
	// who has the password has no time to try Call-IDs.
	sureFor = 10 * time.Minute
)

// handsets are the Call-IDs of the accounts' phones. A restart of the daemon forgets them.
type handsets struct {
	seed maphash.Seed
	by   map[string][]callID
}

// callID is one by its hash.
type callID struct {
	hash  uint64
	first time.Time
	last  time.Time
}

func newHandsets() handsets { return handsets{maphash.MakeSeed(), map[string][]callID{}} }

// used records the Call-ID of a success at a known address. It allocates nothing for one
// that is known.
func (h *handsets) used(o *score.Observation) {
	if string(o.Service) != "PJSIP" || len(o.Session) < minCallID { // chan_sip's is an address in its memory
		return
	}
	hash := h.hash(o.Session)
	list, known := h.by[string(o.Account)]
	for i := range list {
		if list[i].hash == hash {
			list[i].last = o.At
			return
		}
	}
	is := callID{hash, o.At, o.At}
	switch {
	case len(list) < maxCallIDs:
		if known || len(h.by) < maxHandsets {
			h.by[string(o.Account)] = append(list, is)
		}
	default:
		*leastUseful(list) = is
	}
}

// leastUseful is the one not used for longest. If any was used only once, which is a call's, it
// is one of those.
func leastUseful(list []callID) *callID {
	least := &list[0]
	once := func(c *callID) bool { return c.last.Sub(c.first) < time.Minute }
	for i := range list {
		c := &list[i]
		if once(c) != once(least) && once(c) || once(c) == once(least) && c.last.Before(least.last) {
			least = c
		}
	}
	return least
}

// knows says whether an account has signed in with a Call-ID where it is known.
func (h *handsets) knows(now time.Time, account, session []byte) bool {
	list := h.by[string(account)]
	if len(list) == 0 {
		return false
	}
	hash := h.hash(session)
	for _, c := range list {
		if c.hash == hash {
			return now.Sub(c.last) < callIDFor
		}
	}
	return false
}

// hash hashes the part of a session that evidence keeps.
func (h *handsets) hash(session []byte) uint64 {
	return maphash.Bytes(h.seed, session[:min(len(session), score.MaxSession)])
}

// forget forgets the phones of an account: a thief's may be among them.
func (h *handsets) forget(account string) { delete(h.by, account) }

func (h *handsets) prune(now time.Time) {
	for account, list := range h.by {
		live := list[:0]
		for _, c := range list {
			if now.Sub(c.last) < callIDFor {
				live = append(live, c)
			}
		}
		if h.by[account] = live; len(live) == 0 {
			delete(h.by, account)
		}
	}
}

// ownHandset says whether an attempt is that of a phone that has signed in where its
// account is known.
func (p *Own) ownHandset(o *score.Observation) bool {
	return o.Proof == score.Proven && p.handsets.knows(o.At, o.Account, o.Session)
}

// MovedHere says whether a success is that of one of the account's own phones, at a new
// address.
func (p *Own) MovedHere(o *score.Observation) bool {
	if !p.ownHandset(o) || p.places.Known(string(o.Account), o.Source, o.At) {
		return false
	}
	is, undecided := p.places.ProbationAt(string(o.Account), o.Source, o.At)
	return !undecided || o.At.Sub(is.First) < sureFor
}
