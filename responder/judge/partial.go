package judge

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A partial block is what is done at an address that others use: j.blocked has the
// flows, j.suspects the addresses that are throttled, j.closings those that are closed.

// blockFlow enters a flow that is to be dropped into the registry.
func (j *Judge) blockFlow(v *score.Verdict, f incident.Flow) {
	evicted, full := j.blocked.Put(v.At, incident.PartialBlock{
		Kind: incident.BlockedFlow, Flow: f.At, Connection: f.Connection, Account: v.Cause.Account, Phone: f.Phone,
		Since: v.At, Until: v.At.Add(f.For), Reason: v.Reason, Origin: v.Threshold.Name,
	})
	if full {
		j.liftFlow(evicted)
	}
}

// liftFlow lets a flow through of our own accord.
func (j *Judge) liftFlow(b incident.PartialBlock) {
	j.forgetFlow(b)
	j.effects.LiftFlow(b)
	j.effects.PartialChanged(b, incident.Released)
}

// forgetFlow forgets a flow. undo brings it back into the registry.
func (j *Judge) forgetFlow(b incident.PartialBlock) (undo func()) {
	j.flows.Forget(event.SourcePrefix(b.Flow.Addr()), b.Flow.Port(), b.Connection)
	return j.blocked.Remove(b)
}

// recordPartial gives the partial blocks of an incident its number.
func (j *Judge) recordPartial(u *underWay) {
	i := u.incident
	for _, s := range i.Steps {
		switch {
		case !s.Flow.At.IsValid():
		case s.State == incident.Failed: // there was no room for it
			j.FlowAcknowledged(s.Flow.At, s.Flow.Connection, errors.New(s.Detail))
		case s.State != incident.Skipped:
			j.blocked.Recorded(s.Flow.At, s.Flow.Connection, i.ID)
		}
	}
	if !i.Source.IsValid() {
		return
	}
	source := event.SourcePrefix(i.Source)
	if c := j.closings[source]; c != nil && c.block.Incident == 0 && slices.Contains(u.crossed, c.block.Origin) {
		c.block.Incident = i.ID
	}
	if s := j.suspects[source]; s != nil && s.Incident == 0 && slices.Contains(u.crossed, s.Origin) {
		s.Incident = i.ID
	}
}

// FlowAcknowledged records that the kernel drops a flow, or why it does not.
func (j *Judge) FlowAcknowledged(flow netip.AddrPort, connection bool, err error) {
	if b, ok := j.blocked.Acknowledged(flow, connection, err); ok && err == nil {
		j.effects.PartialChanged(b, incident.Blocked)
	}
}

// ThrottleAcknowledged records that the kernel throttles an address, or why it does not:
// then the next guess tries again.
func (j *Judge) ThrottleAcknowledged(now time.Time, at netip.Prefix, err error) {
	s := j.suspects[at]
	if s == nil {
		return
	}
	if err != nil {
		s.Until, s.untold = s.kernel, true
		return
	}
	begins := !s.kernel.After(now)
	if s.kernel = s.Until; begins {
		change := incident.Throttled
		if s.Kind == incident.ClosedAddress {
			change = incident.Closed
		}
		j.effects.PartialChanged(s.PartialBlock, change)
	}
}

// PartialBlocks are those in force, in no particular order.
func (j *Judge) PartialBlocks(now time.Time) []incident.PartialBlock {
	list := j.blocked.List(now)
	for _, s := range j.suspects {
		if s.InForce(now) {
			b := s.PartialBlock
			b.Phones = len(s.live)
			list = append(list, b)
		}
	}
	for _, c := range j.closings {
		if b := c.partial(); b.InForce(now) {
			list = append(list, b)
		}
	}
	return list
}

// Lift forgets a partial block, which the kernel is to end. undo is for when it does
// not.
func (j *Judge) Lift(b incident.PartialBlock) (undo func()) {
	switch {
	case b.Kind == incident.BlockedFlow:
		return j.forgetFlow(b)
	case b.Kind == incident.ClosedAddress && b.Connection:
		c := j.closings[b.Address]
		delete(j.closings, b.Address)
		return func() {
			if j.closings[b.Address] == nil && c != nil {
				j.closings[b.Address] = c
			}
		}
	}
	s := j.suspects[b.Address]
	delete(j.suspects, b.Address)
	return func() {
		if j.suspects[b.Address] == nil && s != nil {
			j.suspects[b.Address] = s
		}
	}
}

// RestorePartial takes over a partial block that the kernel has kept. The conversations
// in live pass at an address that is throttled.
func (j *Judge) RestorePartial(now time.Time, b incident.PartialBlock, live []netip.AddrPort) {
	switch {
	case b.Kind == incident.BlockedFlow:
		j.blocked.Restore(now, b)
	case b.Kind == incident.ClosedAddress && len(j.closings) < maxClosings:
		j.closings[b.Address] = &closing{Closing: decide.Closing{Until: b.Until}, block: b, kernel: b.Until, live: live}
	case b.Kind == incident.ThrottledAddress && len(j.suspects) < maxSuspects:
		b.Kind = j.suspectKind()
		j.suspects[b.Address] = &suspicion{PartialBlock: b, kernel: b.Until, live: live, guesses: b.Origin != incident.OriginMisdirected}
	}
}

// EndAllowed lifts the partial blocks of the addresses that are on the allow list now.
func (j *Judge) EndAllowed(now time.Time) {
	for at, s := range j.suspects {
		if j.Places.Allowed(at) {
			j.endSuspicion(at, s)
		}
	}
	for at, c := range j.closings {
		if c.Until.After(now) && j.Places.Allowed(at) {
			j.reopen(at, c)
		}
	}
	for _, b := range j.blocked.List(now) {
		if j.Places.Allowed(b.Source()) {
			j.liftFlow(b)
		}
	}
}

// CannotThrottle records that from now on the kernel lets us decide about no packets:
// nobody is throttled.
func (j *Judge) CannotThrottle() {
	j.policy.Throttles = false
	for at, s := range j.suspects {
		j.endSuspicion(at, s)
	}
}

func (j *Judge) pruneFlows(now time.Time) {
	for _, ended := range j.blocked.Prune(now) {
		j.effects.PartialChanged(ended, incident.Ended)
	}
}
