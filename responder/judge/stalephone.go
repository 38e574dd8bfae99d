package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A phone with an old password goes on when its line gets another address, beside the
// healthy phones of its account. It began where the account was known, so what it does at
// the next address is no guessing either: in the neighbourhood, or at one address elsewhere,
// unless it still fails where it was.

const (
	// staleFor is how long after its last failure at a known address a phone is expected at
	// the next one.
	staleFor = 7 * 24 * time.Hour
	// movesEvery is how often such a phone moves out of its neighbourhood at most. Whoever
	// guesses at its account elsewhere may be taken for it once in this time, until it
	// fails where it was.
	movesEvery = 20 * time.Hour
	// maxStale bounds the accounts with such a phone.
	maxStale = 1 << 14
)

// stalePhones are where the accounts' own phones failed lately. The zero value is ready to
// use. A restart forgets them.
type stalePhones struct {
	by map[string]*stalePhone
}

type stalePhone struct {
	hood  netip.Prefix // where it was last known to be
	at    time.Time
	next  netip.Prefix // the address elsewhere where it may be now, a source key
	since time.Time    // when it was last taken to have moved there
}

// failed records a failure at an address where the account is known. It allocates nothing
// for an account that is known to have such a phone.
func (s *stalePhones) failed(o *score.Observation) {
	if o.Proof != score.Proven {
		return
	}
	is := s.by[string(o.Account)]
	if is == nil {
		if s.by == nil {
			s.by = map[string]*stalePhone{}
		}
		if len(s.by) >= maxStale {
			return
		}
		is = &stalePhone{}
		s.by[string(o.Account)] = is
	}
	is.hood, is.at, is.next = places.Neighbourhood(o.Source), o.At, netip.Prefix{}
}

// moved says whether a failure of an account is that of its stale phone at its next
// address.
func (s *stalePhones) moved(now time.Time, account []byte, source netip.Addr) bool {
	is := s.by[string(account)]
	if is == nil || now.Sub(is.at) >= staleFor {
		return false
	}
	at := event.SourcePrefix(source)
	switch {
	case is.hood.Contains(source.Unmap()), is.next == at:
	case now.Sub(is.since) >= movesEvery:
		is.next, is.since = at, now
	default:
		return false
	}
	return true
}

func (s *stalePhones) prune(now time.Time) {
	for account, is := range s.by {
		if now.Sub(is.at) >= staleFor {
			delete(s.by, account)
		}
	}
}

// ownPhone says whether a failure is that of one of the account's own phones, which has an
// old password.
func (j *Judge) ownPhone(o *score.Observation) bool {
	if j.Places.Formerly(o.Account, event.SourcePrefix(o.Source), o.At) {
		j.stale.failed(o)
		return true
	}
	return j.stale.moved(o.At, o.Account, o.Source)
}
