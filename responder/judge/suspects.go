package judge

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
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
	incident.PartialBlock
	kernel  time.Time        // until when the kernel throttles it, as far as it has said
	untold  bool             // the kernel has not taken what was decided last
	live    []netip.AddrPort // conversations that pass undecided; shared, so never changed in place
	barred  []netip.AddrPort // those that would, had no guesses come from them
	guesses bool             // it guesses; otherwise it received others' answers, which can happen to anybody
}

// suspect has the address throttled that why names, or goes on with it. A conversation
// that a failure in evidence came from does not pass undecided.
func (j *Judge) suspect(now time.Time, why incident.PartialBlock, within time.Duration, evidence []score.Record, guesses bool) {
	if j.pause.Active(now) {
		return
	}
	at := why.Address
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
	if !s.InForce(now) {
		why.Kind, why.Since = j.suspectKind(), now
		*s = suspicion{PartialBlock: why, live: j.Places.Live(at)}
		j.counters.Suspects++
	}
	if guesses && !s.guesses { // so far it received others' answers, if anything
		s.guesses, s.Account, s.Reason, s.Origin = true, why.Account, why.Reason, why.Origin
	}
	changed := s.bar(evidence)
	if !changed && !s.untold && s.Until.Sub(now) > within/2 {
		return
	}
	if until := now.Add(within); until.After(s.Until) {
		s.Until = until
	}
	j.throttle(now, s)
}

// suspectKind is what becomes of a suspect.
func (j *Judge) suspectKind() incident.PartialKind {
	if j.policy.Throttles {
		return incident.ThrottledAddress
	}
	return incident.ClosedAddress
}

// throttle has the kernel throttle a suspect. If there is no room for that now, the next
// guess tries again.
func (j *Judge) throttle(now time.Time, s *suspicion) {
	if s.untold = !j.effects.Suspect(s.Address, s.Until.Sub(now), s.live); s.untold {
		s.Until = s.kernel
	}
}

// dropSuspect makes room for another suspect: misdirected answers can name any number of
// addresses.
func (j *Judge) dropSuspect() bool {
	for at, s := range j.suspects {
		if !s.guesses {
			j.endSuspicion(at, s)
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
	if s == nil || !s.InForce(now) || len(s.live) >= maxLive || len(s.barred) >= maxBarred || slices.Contains(s.live, at) || slices.Contains(s.barred, at) ||
		!j.Places.Known(string(o.Account), o.Source, now) {
		return
	}
	s.live = append(slices.Clone(s.live), at)
	j.throttle(now, s)
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
	why := incident.PartialBlock{Address: prefix, Reason: "Asterisk was made to send it responses to the requests of others", Origin: incident.OriginMisdirected}
	j.suspect(now, why, misdirectedFor, []score.Record{{Source: to, Port: a.To.Port(), Signal: score.ChallengeResponseFailed}}, false)
}

// endSuspicion ends the throttling of an address of its own accord.
func (j *Judge) endSuspicion(at netip.Prefix, s *suspicion) {
	delete(j.suspects, at)
	j.closed.Forget(at)
	j.effects.Suspect(at, 0, nil)
	j.effects.PartialChanged(s.PartialBlock, incident.Released)
}

func (j *Judge) forgetSuspects(now time.Time) {
	for at, s := range j.suspects {
		if !s.InForce(now) {
			delete(j.suspects, at)
			if !s.kernel.IsZero() {
				j.effects.PartialChanged(s.PartialBlock, incident.Ended)
			}
		}
	}
}
