package partial

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A suspect is an address that cannot be banned, since a ban would hit others, and is
// throttled instead: intake.Suspects decides about each of its packets, except those of
// the phones that are registered there. bans.Suspects is their registry.

// Suspect throttles the address that why names, or goes on throttling it. failed are the
// conversations that failures came from, which do not pass undecided. guesses says that the
// address itself guessed, and was not only sent the answers to others' guesses.
func (x *Blocks) Suspect(now time.Time, why incident.PartialBlock, within time.Duration, failed []netip.AddrPort, guesses bool) {
	if x.pause.Active(now) {
		return
	}
	why.Kind = x.suspectKind()
	begun, ok := x.suspects.Add(now, why, within, failed, guesses)
	if begun {
		x.counters.Suspects++
	}
	if !ok {
		x.counters.Refused++
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

// suspectKind is how a suspect is blocked: closed, if nothing can be throttled.
func (x *Blocks) suspectKind() incident.PartialKind {
	if x.throttles {
		return incident.ThrottledAddress
	}
	return incident.ClosedAddress
}

// PhoneAt lets the conversation of a phone pass that has signed in at a suspect's
// address.
func (x *Blocks) PhoneAt(now time.Time, o *score.Observation) {
	if o.Transport != event.UDP {
		return
	}
	at, phone := event.SourcePrefix(o.Source), netip.AddrPortFrom(o.Source.Unmap(), o.Port)
	if x.suspects.Admits(now, at, phone) && x.places.Known(string(o.Account), o.Source, now) {
		x.suspects.Admit(now, at, phone)
	}
}

// Suspected says whether an address is a suspect.
func (x *Blocks) Suspected(now time.Time, at netip.Prefix) bool {
	_, suspected := x.suspects.At(now, at)
	return suspected
}

// Throttles says whether packets of suspects can be decided about.
func (x *Blocks) Throttles() bool { return x.throttles }

// CannotThrottle records that from now on the kernel lets us decide about no packets:
// nobody is throttled.
func (x *Blocks) CannotThrottle() {
	x.throttles = false
	x.suspects.End(func(netip.Prefix) bool { return true })
}
