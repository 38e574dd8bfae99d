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

// suspicions are why addresses are on probation, by account, in words. The zero value is
// ready to use. A restart forgets them; the incident has them.
type suspicions struct {
	why map[string]map[netip.Prefix]string
}

// maxSuspicious bounds the accounts.
const maxSuspicious = 4096

func (s *suspicions) set(account string, at netip.Prefix, why string) {
	of := s.why[account]
	if of == nil {
		if len(s.why) >= maxSuspicious {
			return
		}
		if s.why == nil {
			s.why = map[string]map[netip.Prefix]string{}
		}
		of = map[netip.Prefix]string{}
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
	if why := s.why[account][event.SourcePrefix(at)]; why != "" {
		return fmt.Sprintf("%s; then the account was used from %s, a new address", why, at.Unmap())
	}
	return fmt.Sprintf("the account was used from %s, a new address, while it was in doubt whether its owner or a thief uses it", at.Unmap())
}

// newPlaceReason says why an address is on probation.
func (j *Judge) newPlaceReason(v *score.Verdict) string {
	why := j.suspicionOf(v)
	j.suspicions.set(v.Key.Account, event.SourcePrefix(v.Cause.Source), why)
	return fmt.Sprintf("%s; then the account was used from %s, a new address: its owner's, or a thief's", why, v.Cause.Source.Unmap())
}

func (j *Judge) suspicionOf(v *score.Verdict) string {
	sources := map[netip.Addr]bool{}
	failures := 0
	for _, r := range j.breakIn.Failures(v.Key.Account) {
		if v.At.Sub(r.At) < j.breakIn.Within() {
			sources[r.Source], failures = true, failures+1
		}
	}
	switch {
	case len(score.FailuresOf(j.table.Evidence(score.SourceKey(v.Cause.Source)), v.Key.Account)) >= j.breakIn.Threshold():
		return "wrong passwords came from the same address, of a phone with a wrong one or of a guesser"
	case failures >= j.breakIn.Threshold():
		return fmt.Sprintf("somebody guessed at the password (%s from %s)", incident.Count(failures, "wrong password"), addresses(len(sources)))
	case j.onProbationElsewhere(v):
		return "another address of the account is on probation"
	}
	return "wrong passwords for other accounts came from the same address"
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
