package intake

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// A guesser behind the same NAT that answers challenges of its own uses up the ration of the
// address. So that a phone which restarts there gets in all the same, half of the ration is
// kept for ports that have waited for a moment, and of these for each port once a minute. A
// phone sends its request again and again from one port (RFC 3261 section 17.1.2.2); a guesser
// that does so from one has had its turn, and one that takes a new port for each guess does
// not wait.

const (
	// turnsOf is the part of the ration that is kept for ports that wait.
	turnsOf = Ration / 2
	// waitsAfter is how long a port must wait for its turn: a phone repeats its request
	// after 0.5, 1.5 and 3.5 s.
	waitsAfter = 3 * time.Second
	// waitsWithin is how long a request that was held back counts.
	waitsWithin = RationPer
	// waitingSlots is room for the ports that wait at all suspects, each in one of a few
	// places. One that waits is not pushed out.
	waitingSlots  = 1 << 14
	waitingPlaces = 4
)

// waiting is a port of which credentials were held back, and when some last passed, in
// milliseconds since 1970.
type waiting struct {
	key           uint64
	since, passed int64
}

// takeChallenged says whether credentials pass that answer a challenge which passed, and
// whether it is by turns.
func (s *Suspects) takeChallenged(now time.Time, from netip.AddrPort, b *budget) (pass, turn bool) {
	w := s.waits(now, from)
	switch {
	case b.challenged.take(now, Ration-turnsOf):
	case w == nil:
		return false, false
	case w.hasTurn(now) && b.turns.take(now, turnsOf):
		turn = true
	default:
		if w.since == 0 {
			w.since = now.UnixMilli()
		}
		return false, false
	}
	if w != nil {
		w.since, w.passed = 0, now.UnixMilli()
	}
	return true, turn
}

// waits finds or makes the entry of a port; nil while others have all of its places.
func (s *Suspects) waits(now time.Time, from netip.AddrPort) (free *waiting) {
	key := maphash.Comparable(s.seed, from)
	for i := range uint64(waitingPlaces) {
		w := &s.waiting[(key+i)%waitingSlots]
		if w.key == key {
			return w
		}
		if age := now.UnixMilli() - max(w.since, w.passed); free == nil && (age < 0 || age >= waitsWithin.Milliseconds()) {
			free = w
		}
	}
	if free != nil {
		*free = waiting{key: key}
	}
	return free
}

// hasTurn says whether a port has waited for long enough, and not got anything for a minute.
func (w *waiting) hasTurn(now time.Time) bool {
	ms := now.UnixMilli()
	return w.since > 0 && ms-w.since >= waitsAfter.Milliseconds() && ms-w.passed >= RationPer.Milliseconds()
}
