// Package partial holds the partial blocks: what is done at an address that is not banned
// since others use it. One phone's flow or connection is dropped, or the whole address is
// throttled as a suspect, or closed for new connections. The kernel has the same blocks.
package partial

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Effects carries out what Blocks decides. None of its calls waits.
type Effects interface {
	bans.Throttler
	// LiftFlow lets a flow through before its time.
	LiftFlow(b incident.PartialBlock)
	// CloseConnections lets nothing in from an address over TCP, TLS and WebSocket for
	// that time, except over the connections in live; 0 ends it. It may keep live, which
	// never changes. ok is false if there is no room now. Otherwise what the kernel says
	// comes back by Blocks.ClosingAcknowledged.
	CloseConnections(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool)
}

// Places knows whose an address is.
type Places interface {
	// Live are the connections and conversations of the phones in use at an address.
	Live(at netip.Prefix) []netip.AddrPort
	Known(account string, at netip.Addr, now time.Time) bool
	Allowed(prefix netip.Prefix) bool
}

// Pause is a time in which no address becomes a suspect: a pause, or mode observe.
type Pause interface{ Active(now time.Time) bool }

// Counters count the suspects, closings and dropped flows that were begun, and those for which
// there was no room.
type Counters struct{ Suspects, Closings, Flows, Refused uint64 }

// Blocks are the partial blocks. It has no lock: its owner calls it from one goroutine at a
// time.
type Blocks struct {
	effects   Effects
	places    Places
	pause     Pause
	ladder    decide.Ladder
	throttles bool

	flows    decide.Flows // which flows an address has used
	blocked  bans.Flows
	suspects *bans.Suspects
	closings map[netip.Prefix]*closing
	closed   decide.Closings
	counters Counters
}

// New returns Blocks without any. throttles says whether the kernel lets us decide about
// single packets.
func New(ladder decide.Ladder, throttles bool, places Places, pause Pause, effects Effects) *Blocks {
	return &Blocks{
		effects: effects, places: places, pause: pause, ladder: ladder, throttles: throttles,
		suspects: bans.NewSuspects(effects, places.Live), closings: map[netip.Prefix]*closing{},
	}
}

// Configure puts another ladder in force.
func (x *Blocks) Configure(ladder decide.Ladder) { x.ladder = ladder }

// Counters are the counts so far.
func (x *Blocks) Counters() Counters { return x.counters }

// CloseFor is for how long a verdict closes an address.
func (x *Blocks) CloseFor(v *score.Verdict, at netip.Prefix) time.Duration {
	return x.closed.Next(at, v, x.ladder).Until.Sub(v.At)
}

// Recorded gives the partial blocks of an incident its number. crossed names its thresholds.
func (x *Blocks) Recorded(i *incident.Incident, crossed []string) {
	for _, s := range i.Steps {
		switch {
		case !s.Flow.At.IsValid():
		case s.State == incident.Failed: // there was no room for it
			x.FlowAcknowledged(s.Flow.At, s.Flow.Connection, errors.New(s.Detail))
		case s.State != incident.Skipped:
			x.blocked.Recorded(s.Flow.At, s.Flow.Connection, i.ID)
		}
	}
	if !i.Source.IsValid() {
		return
	}
	source := event.SourcePrefix(i.Source)
	if c := x.closings[source]; c != nil && c.block.Incident == 0 && slices.Contains(crossed, c.block.Origin) {
		c.block.Incident = i.ID
	}
	x.suspects.Recorded(source, crossed, i.ID)
}

// ThrottleAcknowledged records that the kernel throttles an address, or why it does not:
// then the next guess tries again.
func (x *Blocks) ThrottleAcknowledged(now time.Time, at netip.Prefix, err error) {
	x.suspects.Acknowledged(now, at, err)
}

// List returns those in force, in no particular order.
func (x *Blocks) List(now time.Time) []incident.PartialBlock {
	list := append(x.blocked.List(now), x.suspects.List(now)...)
	for _, c := range x.closings {
		if b := c.partial(); b.InForce(now) {
			list = append(list, b)
		}
	}
	return list
}

// Lift forgets a partial block that the kernel is to end. undo brings it back, in case the
// kernel does not.
func (x *Blocks) Lift(b incident.PartialBlock) (undo func()) {
	if b.Kind == incident.BlockedFlow {
		return x.forgetFlow(b)
	}
	remember := x.closed.Forget(b.Address)
	if b.Kind == incident.ClosedAddress && b.Connection {
		c := x.closings[b.Address]
		delete(x.closings, b.Address)
		return func() {
			remember()
			if x.closings[b.Address] == nil && c != nil {
				x.closings[b.Address] = c
			}
		}
	}
	restore := x.suspects.Remove(b.Address)
	return func() {
		remember()
		restore()
	}
}

// Restore takes over a partial block that the kernel has kept. The conversations
// in live pass at an address that is throttled or closed.
func (x *Blocks) Restore(now time.Time, b incident.PartialBlock, live []netip.AddrPort) {
	switch {
	case b.Kind == incident.BlockedFlow:
		x.blocked.Restore(now, b)
	case b.Kind == incident.ClosedAddress && len(x.closings) < maxClosings:
		x.closed.Set(b.Address, decide.Closing{Until: b.Until})
		x.closings[b.Address] = &closing{Closing: decide.Closing{Until: b.Until}, block: b, kernel: b.Until, live: live}
	case b.Kind == incident.ThrottledAddress:
		b.Kind = x.suspectKind()
		if x.suspects.Restore(b, live) && b.Kind == incident.ClosedAddress {
			x.closed.Set(b.Address, decide.Closing{Until: b.Until})
		}
	}
}

// EndAllowed lifts the partial blocks of the addresses that are on the allow list now.
func (x *Blocks) EndAllowed(now time.Time) {
	for _, at := range x.suspects.End(x.places.Allowed) {
		x.closed.Forget(at)
	}
	for at, c := range x.closings {
		if c.Until.After(now) && x.places.Allowed(at) {
			x.reopen(at, c)
		}
	}
	for _, b := range x.blocked.List(now) {
		if x.places.Allowed(b.Source()) {
			x.liftFlow(b)
		}
	}
}

// Widen throttles or closes the address of a verdict, as a plan says in place of a ban that
// would hit others.
func (x *Blocks) Widen(v *score.Verdict, what decide.Widening, f decide.Facts) {
	why := incident.PartialBlock{Address: f.Target, Account: v.Cause.Account, Reason: v.Reason, Origin: v.Threshold.Name}
	switch {
	case what == decide.Throttle:
		x.Suspect(v.At, why, x.ladder.Brief(), failedFrom(v), true)
	case what == decide.Close && v.Cause.Transport == event.UDP:
		x.closeUDP(v, why)
	case what == decide.Close:
		x.closeConnections(v, f.Target)
	}
}

// Prune ends the blocks whose time is over. It is to be called once a minute.
func (x *Blocks) Prune(now time.Time) {
	x.flows.Prune(now)
	x.pruneFlows(now)
	x.suspects.Prune(now)
	x.forgetClosings(now)
}
