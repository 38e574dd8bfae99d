package judge

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A suspect cannot be banned, since that would hit others, and is throttled instead:
// the edges decide about each of its packets (see intake.Suspects), but not about
// those of the conversations of phones that are registered there.

const (
	// maxSuspects bounds the addresses that are throttled at once.
	maxSuspects = 4096
	// maxLive bounds the conversations that pass at one of them.
	maxLive = 1024
	// misdirectedFor is how long an address is throttled that was sent somebody
	// else's refusal.
	misdirectedFor = 10 * time.Minute
)

// suspicion is what is known of a suspect.
type suspicion struct {
	until  time.Time
	live   []netip.AddrPort // pass undecided
	barred []netip.AddrPort // would, but guesses came from them
}

// suspect has an address throttled, or renews that. evidence are the observations that
// it is suspected for: a conversation among them does not pass undecided.
func (j *Judge) suspect(now time.Time, at netip.Prefix, within time.Duration, evidence []score.Record) {
	s := j.suspects[at]
	if s == nil {
		if len(j.suspects) >= maxSuspects {
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
	changed := s.bar(evidence, j.Places)
	if !changed && s.until.Sub(now) > within/2 {
		return
	}
	if until := now.Add(within); until.After(s.until) {
		s.until = until
	}
	j.effects.Suspect(at, s.until.Sub(now), s.live)
}

// bar takes the conversations that guesses came from out of the live ones. That of a
// proxy stays: all the phones behind it share it.
func (s *suspicion) bar(evidence []score.Record, at *places.Places) (changed bool) {
	for _, e := range evidence {
		from := netip.AddrPortFrom(e.Source, e.Port)
		if i := slices.Index(s.live, from); i >= 0 && e.Signal.Failure() && at.Sharing(e.Account, from) < decide.ProxyPhones {
			s.live, s.barred = slices.Delete(slices.Clone(s.live), i, i+1), append(s.barred, from)
			changed = true
		}
	}
	return changed
}

// phoneAt has a phone's conversation pass that has signed in at a suspect's address.
func (j *Judge) phoneAt(now time.Time, o *score.Observation) {
	if len(j.suspects) == 0 || o.Transport != event.UDP {
		return
	}
	prefix := event.SourcePrefix(o.Source)
	s := j.suspects[prefix]
	at := netip.AddrPortFrom(o.Source.Unmap(), o.Port)
	if s == nil || !s.until.After(now) || len(s.live) >= maxLive || slices.Contains(s.live, at) || slices.Contains(s.barred, at) ||
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
	j.suspect(now, prefix, misdirectedFor, []score.Record{{Source: to, Port: a.To.Port(), Signal: score.ChallengeResponseFailed}})
}

// EndSuspicion has an address throttled no longer, and says whether it was.
func (j *Judge) EndSuspicion(now time.Time, at netip.Prefix) bool {
	if at.IsSingleIP() {
		at = event.SourcePrefix(at.Addr())
	}
	s := j.suspects[at]
	if s == nil {
		return false
	}
	delete(j.suspects, at)
	j.effects.Suspect(at, 0, nil)
	return s.until.After(now)
}

// EndAllowed has those throttled no longer that are on the allow list now.
func (j *Judge) EndAllowed(now time.Time) {
	for at := range j.suspects {
		if j.Places.Allowed(at) {
			j.EndSuspicion(now, at)
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
