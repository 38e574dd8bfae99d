package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// A ban is done when its address no longer gets answers. If Asterisk still answers the
// address, or reports it, the ban has no effect.

// wireFresh is how long after the last message the wire counts as showing every
// response. A request is enough: an attacker may have the response sent to an address
// that answers are kept from.
const wireFresh = time.Minute

func (j *Judge) wireIsFresh(now time.Time) bool { return now.Sub(j.wireAt) < wireFresh }

// Answered records that a SIP response left over UDP for an address, past the bans.
func (j *Judge) Answered(now time.Time, to netip.Addr) {
	j.wireAt = now
	j.gotThrough(now, to.Unmap(), event.UDP, bans.Sign{At: now, Answered: true})
}

// heard records that a security event names an address, at the event's own time, since
// Asterisk may report late.
//
// chan_sip takes the address from the Via, where a sender can write any. So its events
// count only if the wire shows no responses, which go to the real address.
func (j *Judge) heard(now time.Time, e *event.Event) {
	if string(e.Service) == "SIP" && j.wireIsFresh(now) {
		return
	}
	at := now
	if !e.At.IsZero() && e.At.Before(now) {
		at = e.At
	}
	over := e.Transport
	if string(e.Service) == "IAX2" {
		over = event.UDP // its lines do not say so, but there is no other
	}
	j.gotThrough(now, e.Remote.Addr().Unmap(), over, bans.Sign{At: at})
}

// gotThrough handles a sign that packets of an address get through. An address that is
// not banned costs one lookup.
func (j *Judge) gotThrough(now time.Time, addr netip.Addr, over event.Transport, sign bans.Sign) {
	if j.policy.Observe || !addr.IsValid() {
		return
	}
	ban, dropped, ok := j.Bans.Dropping(now, addr)
	if !ok || ban.Scope == incident.ScopeSIP && over != event.UDP {
		return // not what the ban closes
	}
	if !ban.Forever() && ban.Until.Sub(sign.At) < bans.Settle {
		return // the kernel's clock may end it a little sooner
	}
	if j.Places.Allowed(netip.PrefixFrom(addr, addr.BitLen())) {
		return // the kernel lets it through
	}
	b, remedy, failing := j.ineffective.Take(now, ban, dropped, sign)
	if failing {
		j.counters.Ineffective++
	}
	switch remedy {
	case bans.Renew:
		j.renew(b)
	case bans.Widen:
		j.widen(now, b)
	}
	if failing || remedy != bans.NoRemedy && b.Renewals == 1 {
		j.noteEffect(b)
	}
}

// renew makes the kernel drop the address again.
func (j *Judge) renew(b *bans.IneffectiveBan) {
	j.counters.Renewed++
	j.Bans.Unacknowledged(b.Ban)
	j.effects.Renew(b.Ban)
}

// widen makes a ban of some ports one of all traffic, for the time that it has left.
// That the address may be spoofed does not matter: its packets get through in spite of
// the ban, whoever sends them. But a place where accounts are in use, a carrier or an
// allowed address must not be cut off.
func (j *Judge) widen(now time.Time, b *bans.IneffectiveBan) {
	b.Kept = j.Places.Objection(b.Ban.Prefix)
	switch {
	case b.Kept != "":
	case j.pause.Active(now):
		b.Kept = "paused"
	case j.Places.Inhabited(now, b.Ban.Prefix, j.phones.Vouching(now)):
		b.Kept = "extensions are in use at " + incident.PrefixText(b.Ban.Prefix)
	}
	if b.Kept != "" {
		j.renew(b)
		return
	}
	j.counters.Renewed++
	b.Widened = now
	if b.Ban.Scope == incident.ScopeAsterisk {
		b.Ban.Scope = incident.ScopeAll
	} else {
		b.Ban.Scope = incident.ScopeBrief
	}
	j.Bans.Put(b.Ban)
	j.effects.Widen(b.Ban)
	j.noteEffect(b)
}

// noteEffect records in the step of a ban whether it has an effect.
func (j *Judge) noteEffect(b *bans.IneffectiveBan) {
	s := incident.Step{
		Step: incident.StepBan, Target: incident.PrefixText(b.Ban.Prefix), State: incident.Done,
		Detail: b.Ban.UntilText() + "; " + b.String(), Took: incident.Elapsed(b.Dropped.Sub(b.Ban.Since)),
	}
	if !b.Failing.IsZero() {
		s.State, s.Detail = incident.Failed, "without effect: "+s.Detail
	}
	j.effects.NoteBan(b.Ban, s)
	b.Noted = b.Answered + b.Heard
}

// checkEffects brings the notes of bans without effect up to date, and ends those
// that are quiet.
func (j *Judge) checkEffects(now time.Time) {
	for _, b := range j.ineffective.Prune(now, j.Bans) {
		j.noteEffect(b)
	}
	for _, b := range j.ineffective.All() {
		if b.Noted != b.Answered+b.Heard {
			j.noteEffect(b)
		}
	}
}

// TableRepaired records that the kernel's table is in order again, after another
// program damaged it.
func (j *Judge) TableRepaired(now time.Time) { j.ineffective.Repaired(now) }

// Ineffective are the bans without effect now, those first that have been so for
// longest.
func (j *Judge) Ineffective(now time.Time) []bans.IneffectiveBan {
	return j.ineffective.List(now, j.Bans)
}
