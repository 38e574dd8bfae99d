// Package effect checks whether bans take effect. If Asterisk still answers a banned address,
// or reports it, the ban has no effect: it is renewed or widened.
package effect

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/phones"
	"github.com/tollwarden/tollwarden/responder/places"
)

// Effects repairs bans. None of its calls waits.
type Effects interface {
	// Renew makes the kernel drop a banned address again that is still heard. What the
	// kernel acknowledges comes back by bans.Registry.Acknowledged.
	Renew(ban incident.Ban)
	// Widen puts a ban in force that drops more than it did.
	Widen(ban incident.Ban)
	// NoteBan records in the step of a ban whether its address is still heard.
	NoteBan(ban incident.Ban, s incident.Step)
}

// Pause is a time in which no ban is widened: a pause, or mode observe.
type Pause interface{ Active(now time.Time) bool }

// Counters count the bans that were renewed or widened, and those without effect all the same.
type Counters struct{ Renewed, Ineffective uint64 }

// Check watches the bans in force. It has no lock: its owner calls it from one goroutine at
// a time.
type Check struct {
	bans    *bans.Registry
	places  *places.Places
	phones  *phones.Own
	pause   Pause
	effects Effects

	ineffective bans.Ineffective
	counters    Counters
}

// New returns a Check of the bans of a registry.
func New(registry *bans.Registry, p *places.Places, own *phones.Own, pause Pause, effects Effects) *Check {
	return &Check{bans: registry, places: p, phones: own, pause: pause, effects: effects}
}

// Counters are the counts so far.
func (c *Check) Counters() Counters { return c.counters }

// GotThrough handles a sign that packets of an address get through. An address that is
// not banned costs one lookup.
func (c *Check) GotThrough(now time.Time, addr netip.Addr, over event.Transport, sign bans.Sign) {
	if !addr.IsValid() {
		return
	}
	ban, dropped, ok := c.bans.Dropping(now, addr)
	if !ok || ban.Scope == incident.ScopeSIP && over != event.UDP {
		return // not what the ban closes
	}
	if !ban.Forever() && ban.Until.Sub(sign.At) < bans.Settle {
		return // the kernel's clock may end it a little sooner
	}
	if c.places.Allowed(netip.PrefixFrom(addr, addr.BitLen())) {
		return // the kernel lets it through
	}
	b, remedy, failing := c.ineffective.Take(now, ban, dropped, sign)
	if failing {
		c.counters.Ineffective++
	}
	switch remedy {
	case bans.Renew:
		c.renew(b)
	case bans.Widen:
		c.widen(now, b)
	}
	if failing || remedy != bans.NoRemedy && b.Renewals == 1 {
		c.noteEffect(b)
	}
}

// renew makes the kernel drop the address again.
func (c *Check) renew(b *bans.IneffectiveBan) {
	c.counters.Renewed++
	c.bans.Unacknowledged(b.Ban)
	c.effects.Renew(b.Ban)
}

// widen makes a ban of some ports one of all traffic, for the time that it has left.
// That the address may be spoofed does not matter: its packets get through in spite of
// the ban, whoever sends them. But a place where accounts are in use, a carrier or an
// allowed address must not be cut off.
func (c *Check) widen(now time.Time, b *bans.IneffectiveBan) {
	b.Kept = c.places.Objection(b.Ban.Prefix)
	switch {
	case b.Kept != "":
	case c.pause.Active(now):
		b.Kept = "nothing is widened during a pause, nor in mode observe"
	case c.places.Inhabited(now, b.Ban.Prefix, c.phones.Vouching(now)):
		b.Kept = "extensions are in use at " + incident.PrefixText(b.Ban.Prefix)
	}
	if b.Kept != "" {
		c.renew(b)
		return
	}
	c.counters.Renewed++
	b.Widened = now
	if b.Ban.Scope == incident.ScopeAsterisk {
		b.Ban.Scope = incident.ScopeAll
	} else {
		b.Ban.Scope = incident.ScopeBrief
	}
	c.bans.Put(b.Ban)
	c.effects.Widen(b.Ban)
	c.noteEffect(b)
}

// noteEffect records in the step of a ban whether it has an effect.
func (c *Check) noteEffect(b *bans.IneffectiveBan) {
	s := incident.Step{
		Step: incident.StepBan, Target: incident.PrefixText(b.Ban.Prefix), State: incident.Done,
		Detail: b.Ban.UntilText() + "; " + b.String(), Took: incident.Elapsed(b.Dropped.Sub(b.Ban.Since)),
	}
	if !b.Failing.IsZero() {
		s.State, s.Detail = incident.Failed, "without effect: "+s.Detail
	}
	c.effects.NoteBan(b.Ban, s)
	b.Noted = b.Answered + b.Heard
}

// Prune brings the notes of bans without effect up to date, and ends those
// that are quiet. It is to be called once a minute.
func (c *Check) Prune(now time.Time) {
	for _, b := range c.ineffective.Prune(now, c.bans) {
		c.noteEffect(b)
	}
	for _, b := range c.ineffective.All() {
		if b.Noted != b.Answered+b.Heard {
			c.noteEffect(b)
		}
	}
}

// Repaired records that the kernel's table is in order again, after another
// program damaged it.
func (c *Check) Repaired(now time.Time) { c.ineffective.Repaired(now) }

// List returns the bans without effect now, those first that have been so for
// longest.
func (c *Check) List(now time.Time) []bans.IneffectiveBan {
	return c.ineffective.List(now, c.bans)
}
