package judge

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A suspect is an address that cannot be banned, since a ban would hit others, and is
// throttled instead: intake.Suspects decides about each of its packets, except those of
// the phones that are registered there.

const (
	// maxSuspects bounds the addresses that are throttled at once.
	maxSuspects = 4096
	// maxLive bounds the conversations that pass at one of them.
	maxLive = 1024
	// maxBarred is from how many conversations guesses may come until no further one
	// passes: whoever has an account could sign in from a new port for each guess.
	maxBarred = 3
	// misdirectedFor is how long an address is throttled that was sent somebody
	// else's refusal.
	misdirectedFor = 10 * time.Minute
)

// suspicion is what is known of a suspect.
type suspicion struct {
	until   time.Time
	live    []netip.AddrPort // conversations that pass undecided; shared, so never changed in place
	barred  []netip.AddrPort // those that would, had no guesses come from them
	guesses bool             // it guesses; otherwise it received others' answers, which can happen to anybody
}

// suspect has an address throttled, or goes on with it. A conversation that a failure
// in evidence came from does not pass undecided.
func (j *Judge) suspect(now time.Time, at netip.Prefix, within time.Duration, evidence []score.Record, guesses bool) {
	if j.pause.Active(now) {
		return
	}
	s := j.suspects[at]
	if s == nil {
		if len(j.suspects) >= maxSuspects && !j.dropSuspect() {
			j.forgetSuspects(now)
		}
		if len(j.suspects) >= maxSuspects {
			j.counters.SuspectsRefused++
			return
		}
		s = &suspicion{}
		j.suspects[at] = s
	}
	if !s.until.After(now) {
		*s = suspicion{live: j.Places.Live(at)}
		j.counters.Suspects++
	}
	s.guesses = s.guesses || guesses
	changed := s.bar(evidence)
	if !changed && s.until.Sub(now) > within/2 {
		return
	}
	if until := now.Add(within); until.After(s.until) {
		s.until = until
	}
	if !j.effects.Suspect(at, s.until.Sub(now), s.live) {
		s.until = time.Time{} // the next one suspects it again
	}
}

// dropSuspect makes room for another suspect: misdirected answers can name any number of
// addresses.
func (j *Judge) dropSuspect() bool {
	for at, s := range j.suspects {
		if !s.guesses {
			delete(j.suspects, at)
			j.effects.Suspect(at, 0, nil)
			return true
		}
	}
	return false
}

// bar takes the conversations that guesses came from out of the live ones.
func (s *suspicion) bar(evidence []score.Record) (changed bool) {
	for _, e := range evidence {
		at := netip.AddrPortFrom(e.Source, e.Port)
		if i := slices.Index(s.live, at); i >= 0 && e.Signal.Failure() {
			s.live, s.barred = slices.Delete(slices.Clone(s.live), i, i+1), append(s.barred, at)
			changed = true
		}
	}
	return changed
}

// phoneAt lets the conversation of a phone pass that has signed in at a suspect's
// address.
func (j *Judge) phoneAt(now time.Time, o *score.Observation) {
	if len(j.suspects) == 0 || o.Transport != event.UDP {
		return
	}
	prefix := event.SourcePrefix(o.Source)
	s := j.suspects[prefix]
	at := netip.AddrPortFrom(o.Source.Unmap(), o.Port)
	if s == nil || !s.until.After(now) || len(s.live) >= maxLive || len(s.barred) >= maxBarred || slices.Contains(s.live, at) || slices.Contains(s.barred, at) ||
		!j.Places.Known(string(o.Account), o.Source, now) {
		return
	}
	s.live = append(slices.Clone(s.live), at)
	j.effects.Suspect(prefix, s.until.Sub(now), s.live)
}

// misdirected takes a refusal that went to another address than the request came from.
// Its sender may spoof that address, and receive the refusals of its guesses. But it may
// as well have them sent to somebody who has nothing to do with it, so the receiver is
// no more than throttled, which keeps from it what it did not ask for. Carriers are left
// alone, and so is a phone that sends from another address than it registers from.
func (j *Judge) misdirected(now time.Time, a *intake.Answer) {
	to := a.To.Addr().Unmap()
	prefix := event.SourcePrefix(to)
	if !j.policy.Throttles || !prefix.IsValid() || j.Places.Allowed(prefix) || j.Places.Carrier(prefix) || j.Places.Registered(a.Account, a.To) {
		return
	}
	j.suspect(now, prefix, misdirectedFor, []score.Record{{Source: to, Port: a.To.Port(), Signal: score.ChallengeResponseFailed}}, false)
}

// EndSuspicion ends the throttling of an address, and that it is closed for new
// connections. It says whether it was either.
func (j *Judge) EndSuspicion(now time.Time, at netip.Prefix) bool {
	if at.IsSingleIP() {
		at = event.SourcePrefix(at.Addr())
	}
	opened := j.reopen(now, at)
	s := j.suspects[at]
	if s == nil {
		return opened
	}
	delete(j.suspects, at)
	j.effects.Suspect(at, 0, nil)
	return opened || s.until.After(now)
}

// EndAllowed does so for the addresses that are on the allow list now.
func (j *Judge) EndAllowed(now time.Time) {
	for at := range j.suspects {
		if j.Places.Allowed(at) {
			j.EndSuspicion(now, at)
		}
	}
	for at := range j.closings {
		if j.Places.Allowed(at) {
			j.reopen(now, at)
		}
	}
}

func (j *Judge) forgetSuspects(now time.Time) {
	for at, s := range j.suspects {
		if !s.until.After(now) {
			delete(j.suspects, at)
		}
	}
}
