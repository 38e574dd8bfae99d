package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A suspect is an address that cannot be banned, since a ban would hit others, and is
// throttled instead: intake.Suspects decides about each of its packets, except those of
// the phones that are registered there. bans.Suspects is their registry.

// misdirectedFor is how long an address is throttled that was sent somebody else's refusal.
const misdirectedFor = 10 * time.Minute

// suspect has the address throttled that why names, or goes on with it. A conversation
// that a failure came from, of those in failed, does not pass undecided.
func (j *Judge) suspect(now time.Time, why incident.PartialBlock, within time.Duration, failed []netip.AddrPort, guesses bool) {
	if j.pause.Active(now) {
		return
	}
	why.Kind = j.suspectKind()
	begun, ok := j.suspects.Add(now, why, within, failed, guesses)
	if begun {
		j.counters.Suspects++
	}
	if !ok {
		j.counters.SuspectsRefused++
	}
}

// failedFrom is where the failures of a verdict came from.
func failedFrom(v *score.Verdict) (list []netip.AddrPort) {
	for _, e := range v.Evidence {
		if e.Signal.Failure() {
			list = append(list, netip.AddrPortFrom(e.Source, e.Port))
		}
	}
	return list
}

// suspectKind is what becomes of a suspect.
func (j *Judge) suspectKind() incident.PartialKind {
	if j.policy.Throttles {
		return incident.ThrottledAddress
	}
	return incident.ClosedAddress
}

// phoneAt lets the conversation of a phone pass that has signed in at a suspect's
// address.
func (j *Judge) phoneAt(now time.Time, o *score.Observation) {
	if o.Transport != event.UDP {
		return
	}
	at, phone := event.SourcePrefix(o.Source), netip.AddrPortFrom(o.Source.Unmap(), o.Port)
	if j.suspects.Admits(now, at, phone) && j.Places.Known(string(o.Account), o.Source, now) {
		j.suspects.Admit(now, at, phone)
	}
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
	j.suspect(now, why, misdirectedFor, []netip.AddrPort{netip.AddrPortFrom(to, a.To.Port())}, false)
}
