package responder

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// partialBlocks are the flows that are dropped and the addresses that are throttled, as
// the orders of a person need them.
type partialBlocks struct{ *Engine }

var _ bans.PartialBlocks = partialBlocks{}

// PartialBlocks are those in force.
func (p partialBlocks) PartialBlocks(now time.Time) []incident.PartialBlock {
	return p.judge.Partial.List(now)
}

// Lift ends a partial block. The change passes through the same queue as what brought
// the block about, so that the last decision is the last that the kernel hears of.
func (p partialBlocks) Lift(b incident.PartialBlock, done func(error)) (room bool) {
	undo := p.judge.Partial.Lift(b)
	lifted := func(err error) {
		p.with(func() {
			if err != nil {
				undo()
			} else {
				p.partialChanged(b, incident.Released)
			}
		})
		done(err)
	}
	if b.Kind == incident.BlockedFlow {
		room = p.queueFlow(flowDrop{incident.Flow{At: b.Flow, Connection: b.Connection}, lifted})
	} else {
		room = p.queueThrottling(throttling{at: b.Address, closed: b.Connection, done: lifted})
	}
	if !room {
		undo()
	}
	return room
}

func (e *Engine) partialChanged(b incident.PartialBlock, change incident.BanChange) {
	if e.parts.OnPartial != nil {
		e.parts.OnPartial(b, change)
	}
}

// PartialChanged passes on a change of a partial block.
func (e effects) PartialChanged(b incident.PartialBlock, change incident.BanChange) {
	e.partialChanged(b, change)
}

// maxFlowDrops bounds the flows that wait for the kernel.
const maxFlowDrops = 4096

var errTooManyFlows = errors.New("too many flows at once")

// flowDrop is one flow to drop (For is 0: no longer), and what to call with the outcome.
type flowDrop struct {
	flow incident.Flow
	done func(error)
}

// queueFlow makes the kernel drop a flow. False means that there is no room.
func (e *Engine) queueFlow(f flowDrop) bool {
	select {
	case e.flowsC <- f:
		return true
	default:
		e.refused.Steps++
		return false
	}
}

func (e *Engine) dropFlow(_ context.Context, f flowDrop) {
	drop := e.parts.Watch.DropFlow
	if f.flow.Connection {
		drop = e.parts.Watch.DropConnection
	}
	f.done(drop(f.flow.For, f.flow.At))
}

// DropFlow drops a flow again.
func (e effects) DropFlow(flow incident.Flow, within time.Duration) {
	flow.For = within
	acknowledged := func(err error) {
		e.with(func() { e.judge.Partial.FlowAcknowledged(flow.At, flow.Connection, err) })
		if err != nil {
			e.parts.Log.Error().Err(err).Stringer("flow", flow.At).Msg("a flow is not dropped again")
		}
	}
	if !e.queueFlow(flowDrop{flow, acknowledged}) { // it is in the registry by now
		e.judge.Partial.FlowAcknowledged(flow.At, flow.Connection, errTooManyFlows)
	}
}

// LiftFlow lets a flow through again.
func (e effects) LiftFlow(b incident.PartialBlock) {
	e.queueFlow(flowDrop{incident.Flow{At: b.Flow, Connection: b.Connection}, func(err error) {
		if err != nil {
			e.parts.Log.Error().Err(err).Stringer("flow", b.Flow).Msg("a flow is dropped until its time is over")
		}
	}})
}

// flowDropped records what became of a flow in the kernel.
func (e *Engine) flowDropped(i *incident.Incident, n int, flow incident.Flow, err error) {
	e.with(func() { e.judge.Partial.FlowAcknowledged(flow.At, flow.Connection, err) })
	if err != nil {
		e.settle(i, n, incident.Failed, err.Error())
		return
	}
	e.settle(i, n, incident.Done, flow.Dropped(i.Started(n)))
}

// maxThrottlings bounds the suspects that wait for the kernel.
const maxThrottlings = 1024

// throttling is a change for the kernel: an address to throttle, for how long (0: no
// longer), and what to call with the outcome.
type throttling struct {
	at     netip.Prefix
	within time.Duration
	live   []netip.AddrPort
	closed bool // to be closed for new connections instead
	done   func(error)
}

// queueThrottling makes the kernel throttle an address. False means that there is no
// room.
func (e *Engine) queueThrottling(t throttling) bool {
	select {
	case e.suspectsC <- t:
		return true
	default:
		e.refused.Steps++
		return false
	}
}

func (e *Engine) throttle(_ context.Context, t throttling) {
	change := e.parts.Watch.Suspect
	if t.closed {
		change = e.parts.Watch.CloseConnections
	}
	t.done(change(t.within, t.at, t.live))
}

// Suspect throttles an address, or ends that.
func (e effects) Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool) {
	return e.change(throttling{at: at, within: within, live: live}, func(err error) { e.judge.Partial.ThrottleAcknowledged(time.Now(), at, err) })
}

// CloseConnections closes an address but for live connections, or ends that.
func (e effects) CloseConnections(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool) {
	return e.change(throttling{at: at, within: within, live: live, closed: true}, func(err error) { e.judge.Partial.ClosingAcknowledged(at, err) })
}

// change queues a change. acknowledged is called under the lock with what the kernel says
// of one that does not end something.
func (e effects) change(t throttling, acknowledged func(error)) (ok bool) {
	if e.parts.Watch == nil {
		return true
	}
	t.done = func(err error) {
		if t.within > 0 {
			e.with(func() { acknowledged(err) })
		}
		if err != nil {
			e.parts.Log.Error().Err(err).Stringer("source", t.at).Msg("a change of whom to throttle or to close failed")
		}
	}
	return e.queueThrottling(t)
}

// CannotThrottle records that the kernel no longer lets us decide about single packets.
func (e *Engine) CannotThrottle() { e.with(func() { e.judge.Partial.CannotThrottle() }) }

// restorePartial takes over the flows and the suspects that the kernel has kept since an
// earlier run, with what the ledger knows of them.
func (e *Engine) restorePartial(ctx context.Context, now time.Time) {
	if e.parts.Watch == nil {
		return
	}
	known, err := e.parts.Ledger.BanSteps(ctx, now.Add(-decidedWithin))
	e.doubt(err, "why single phones are blocked and addresses throttled")
	restore := func(b incident.PartialBlock, live []netip.AddrPort) {
		b.Since, b.Origin, b.Reason = now, incident.OriginKernel, "found in the kernel at start, without a record"
		if i, ok := known[b.Target()]; ok {
			b.Since, b.Origin, b.Reason, b.Account, b.Incident = i.At, i.Threshold, i.Reason, i.Account, i.ID
			if b.Kind == incident.BlockedFlow && i.Account != "" {
				b.Phone = "the phone of extension " + strconv.QuoteToGraphic(i.Account)
			}
		}
		e.judge.RestorePartial(now, b, live)
	}
	for flow, until := range e.parts.Watch.Flows() {
		restore(incident.PartialBlock{Kind: incident.BlockedFlow, Flow: flow, Until: until}, nil)
	}
	for at, until := range e.parts.Watch.Suspects() {
		restore(incident.PartialBlock{Kind: incident.ThrottledAddress, Address: at, Until: until}, e.parts.Watch.Live(at))
	}
	for flow, until := range e.parts.Watch.Connections() {
		restore(incident.PartialBlock{Kind: incident.BlockedFlow, Flow: flow, Connection: true, Until: until}, nil)
	}
	for at, until := range e.parts.Watch.Closed() {
		restore(incident.PartialBlock{Kind: incident.ClosedAddress, Address: at, Connection: true, Until: until}, e.parts.Watch.Kept(at))
	}
	e.judge.Partial.EndAllowed(now)
}

// dropsFlow says whether a flow is dropped.
func (e *Engine) dropsFlow(now time.Time, flow netip.AddrPort) bool {
	return slices.ContainsFunc(e.judge.Partial.List(now), func(b incident.PartialBlock) bool { return b.Flow == flow })
}

// decidedWithin is how long ago the incident of a partial block may have been: a phone
// that goes on with a wrong password makes one a day.
const decidedWithin = 25 * time.Hour
