package judge

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// suspicions says why addresses are on probation. A restart forgets it; the incident has the
// reason in words.
type suspicions struct {
	places  *places.Places
	table   *score.Table
	breakIn *score.BreakIn
	why     map[string]map[netip.Prefix]suspicion // by account and address
}

// suspicion is why an address is on probation. forged says that it rests only on packets that
// may be forged.
type suspicion struct {
	words  string
	forged bool
}

// maxSuspicious bounds the accounts.
const maxSuspicious = 4096

func (s *suspicions) set(account string, at netip.Prefix, why suspicion) {
	of := s.why[account]
	if of == nil {
		if len(s.why) >= maxSuspicious {
			return
		}
		if s.why == nil {
			s.why = map[string]map[netip.Prefix]suspicion{}
		}
		of = map[netip.Prefix]suspicion{}
		s.why[account] = of
	}
	of[at] = why
}

// keep forgets the addresses of an account that are no longer on probation.
func (s *suspicions) keep(account string, list []places.Probation) {
	of := s.why[account]
	for at := range of {
		if !slices.ContainsFunc(list, func(p places.Probation) bool { return p.Source == at }) {
			delete(of, at)
		}
	}
	if len(of) == 0 {
		delete(s.why, account)
	}
}

// before says what came before a second sign.
func (s *suspicions) before(account string, at netip.Addr) string {
	if why := s.why[account][event.SourcePrefix(at)].words; why != "" {
		return fmt.Sprintf("%s; then the extension was used from %s, a new address", why, at.Unmap())
	}
	return fmt.Sprintf("the extension was used from %s, a new address, while it was in doubt whether its owner or a thief uses it", at.Unmap())
}

// forged says whether an address is on probation for nothing but packets that may be forged.
func (s *suspicions) forged(account string, at netip.Addr) bool {
	return s.why[account][event.SourcePrefix(at)].forged
}

// newPlaceReason says why an address is on probation.
func (s *suspicions) newPlaceReason(v *score.Verdict) string {
	why := s.suspicionOf(v)
	s.set(v.Key.Account, event.SourcePrefix(v.Cause.Source), why)
	return fmt.Sprintf("%s; then the extension was used from %s, a new address: its owner's, or a thief's", why.words, v.Cause.Source.Unmap())
}

// suspicionOf is why an address is on probation now.
func (s *suspicions) suspicionOf(v *score.Verdict) suspicion {
	sources := map[netip.Addr]bool{}
	var failures []score.Record
	for _, r := range s.breakIn.Failures(v.Key.Account) {
		if v.At.Sub(r.At) < s.breakIn.Within() {
			sources[r.Source], failures = true, append(failures, r)
		}
	}
	here := s.table.Evidence(score.SourceKey(v.Cause.Source))
	own := score.FailuresOf(here, v.Key.Account)
	switch {
	case len(own) >= s.breakIn.Threshold():
		return suspicion{"wrong passwords came from the same address, of a phone with a wrong one or of a guesser", proven(own) == 0}
	case len(failures) >= s.breakIn.Threshold():
		return suspicion{
			fmt.Sprintf("somebody guessed at the password (%s from %s)", incident.Count(len(failures), "wrong password"), addresses(len(sources))),
			proven(failures) < s.breakIn.Threshold(),
		}
	case s.onProbationElsewhere(v):
		forged := true
		for _, p := range s.places.Probations(v.Key.Account, v.At) {
			if p.Source != event.SourcePrefix(v.Cause.Source) {
				forged = forged && s.forged(v.Key.Account, p.Source.Addr())
			}
		}
		return suspicion{"another address of the extension is on probation", forged}
	}
	return suspicion{"wrong passwords for other extensions came from the same address", proven(here) == 0}
}

// proven counts the failures that came from their address for certain.
func proven(list []score.Record) (n int) {
	for i := range list {
		if list[i].Signal.Failure() && list[i].Proof == score.Proven {
			n++
		}
	}
	return n
}

// onProbationElsewhere says whether an account has another address on probation than the
// one of a verdict.
func (s *suspicions) onProbationElsewhere(v *score.Verdict) bool {
	here := event.SourcePrefix(v.Cause.Source)
	return slices.ContainsFunc(s.places.Probations(v.Key.Account, v.At), func(p places.Probation) bool { return p.Source != here })
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
