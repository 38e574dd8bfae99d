package phones

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A phone with an old password goes on failing when its line gets another address. It began
// where the account was known, so that its failures at the next address are no guesses either:
// anywhere in the neighbourhood, or at one address elsewhere, unless it still fails where it
// was.

const (
	// staleFor is how long after its last failure at a known address a phone is expected at
	// the next one.
	staleFor = 7 * 24 * time.Hour
	// movesEvery is the time between two moves of such a phone out of its neighbourhood. In
	// this time, one guesser elsewhere may be taken for it, until it fails where it was.
	movesEvery = 20 * time.Hour
	// stillFails is how often such a phone tries at least. If it has not for so long, and its
	// account is used there, somebody mistyped or has corrected the password: whoever fails
	// elsewhere from then on is a guesser.
	stillFails = time.Hour
	// maxStale bounds the accounts with such a phone.
	maxStale = 1 << 14
)

// stalePhones are where the accounts' own phones failed lately. The zero value is ready to
// use. A restart forgets them.
type stalePhones struct {
	by map[string]*stalePhone
}

type stalePhone struct {
	last  netip.Prefix // the address where it was last known to be, a source key
	hood  netip.Prefix // around it
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
	is.last, is.hood = event.SourcePrefix(o.Source), places.Neighbourhood(o.Source)
	is.at, is.next = o.At, netip.Prefix{}
}

// succeeded records a success at an address where the account is known. It allocates
// nothing.
func (s *stalePhones) succeeded(o *score.Observation) {
	if is := s.by[string(o.Account)]; is != nil && is.last == event.SourcePrefix(o.Source) && o.At.Sub(is.at) >= stillFails {
		delete(s.by, string(o.Account))
	}
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

// OwnPhone says whether a failure is that of one of the account's own phones with an old
// password. A failure at an address on probation counts, too: whoever signed in there has the
// password.
func (p *Own) OwnPhone(o *score.Observation) bool {
	source := event.SourcePrefix(o.Source)
	if p.places.Formerly(o.Account, source, o.At) {
		p.stale.failed(o)
		return true
	}
	return p.places.OnProbation(o.Account, source, o.At) || p.ownHandset(o) || p.stale.moved(o.At, o.Account, o.Source)
}

// Excused says whether a success follows failures of the same account at the same address that
// were taken for those of its own phone with an old password. Its owner has corrected the
// password, or a guesser has found it: nobody can say. The same holds where others of the site
// have long been: whoever sets up a phone there mistypes, and a guest may guess.
func (p *Own) Excused(o *score.Observation) bool {
	if o.Signal != score.SuccessfulAuth || o.Own || p.places.KnownSource(o.Account, event.SourcePrefix(o.Source), o.At) {
		return false
	}
	enough := func(list []score.Record, proven bool) bool {
		n := 0
		for i := range list {
			if r := &list[i]; (r.Proof == score.Proven || !proven) && o.At.Sub(r.At) < p.breakIn.Within() && event.SourcePrefix(r.Source) == event.SourcePrefix(o.Source) {
				n++
			}
		}
		return n >= p.breakIn.Threshold()
	}
	account := string(o.Account)
	here := p.table.Evidence(score.SourceKey(o.Source))
	return enough(score.FailuresOf(here, account), true) && (!enough(p.breakIn.Failures(account), false) || p.amongOthers(o, here))
}

// amongOthers says whether others that vouch have long been at the address of a success, and
// no other account failed there that does not live there: whoever tries several accounts is a
// guesser.
func (p *Own) amongOthers(o *score.Observation, failed []score.Record) bool {
	account, source := string(o.Account), event.SourcePrefix(o.Source)
	if _, thief := p.places.Thief(o.Account, source); thief {
		return false
	}
	for i := range failed {
		r := &failed[i]
		if r.Signal.Failure() && r.Account != account && o.At.Sub(r.At) < p.breakIn.Within() && !p.places.Lives([]byte(r.Account), source, o.At) {
			return false
		}
	}
	for other, last := range p.places.Residents(o.At, source) {
		if other != account && p.places.Home(o.At, other, o.Source) && p.places.Vouches(other, o.At) && !p.vouchers.Spent(o.At, other) && last.After(p.rotations.At(other)) {
			return true
		}
	}
	return false
}
