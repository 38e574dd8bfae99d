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
	return p.judge.PartialBlocks(now)
}

// Lift ends a partial block. The change passes through the same queue as what brought
// the block about, so that the last decision is the last that the kernel hears of.
func (p partialBlocks) Lift(b incident.PartialBlock, done func(error)) (room bool) {
	undo := p.judge.Lift(b)
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
		room = p.queueFlow(flowDrop{b.Flow, 0, lifted})
	} else {
		room = p.queueThrottling(throttling{b.Throttled, 0, nil, lifted})
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

// flowDrop is one flow to drop, for how long (0: no longer), and what to call with the
// outcome.
type flowDrop struct {
	flow   netip.AddrPort
	within time.Duration
	done   func(error)
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
	f.done(e.parts.Watch.DropFlow(f.within, f.flow))
}

// DropFlow drops a flow again.
func (e effects) DropFlow(flow incident.Flow, within time.Duration) {
	acknowledged := func(err error) {
		e.with(func() { e.judge.FlowAcknowledged(flow.At, false, err) })
		if err != nil {
			e.parts.Log.Error().Err(err).Stringer("flow", flow.At).Msg("the flow of a phone with a wrong password is not dropped again")
		}
	}
	if !e.queueFlow(flowDrop{flow.At, within, acknowledged}) { // it is in the registry by now
		e.judge.FlowAcknowledged(flow.At, false, errTooManyFlows)
	}
}

// LiftFlow lets a flow through again.
func (e effects) LiftFlow(b incident.PartialBlock) {
	e.queueFlow(flowDrop{b.Flow, 0, func(err error) {
		if err != nil {
			e.parts.Log.Error().Err(err).Stringer("flow", b.Flow).Msg("a flow is dropped until its time is over")
		}
	}})
}

// flowDropped records what became of a flow in the kernel.
func (e *Engine) flowDropped(i *incident.Incident, n int, flow incident.Flow, err error) {
	e.with(func() { e.judge.FlowAcknowledged(flow.At, false, err) })
	if err != nil {
		e.settle(i, n, incident.Failed, err.Error())
		return
	}
	e.settle(i, n, incident.Done, flow.Dropped(i.At))
}

// maxThrottlings bounds the suspects that wait for the kernel.
const maxThrottlings = 1024

// throttling is a change for the kernel: an address to throttle, for how long (0: no
// longer), and what to call with the outcome.
type throttling struct {
	at     netip.Prefix
	within time.Duration
	live   []netip.AddrPort
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
	t.done(e.parts.Watch.Suspect(t.within, t.at, t.live))
}

// Suspect throttles an address, or ends that.
func (e effects) Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool) {
	if e.parts.Watch == nil {
		return true
	}
	return e.queueThrottling(throttling{at, within, live, func(err error) {
		if within > 0 {
			e.with(func() { e.judge.ThrottleAcknowledged(time.Now(), at, err) })
		}
		if err != nil {
			e.parts.Log.Error().Err(err).Stringer("source", at).Msg("a change of whom to throttle failed")
		}
	}})
}

// CannotThrottle records that the kernel no longer lets us decide about single packets.
func (e *Engine) CannotThrottle() { e.with(func() { e.judge.CannotThrottle() }) }

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
				b.Phone = "the phone of account " + strconv.QuoteToGraphic(i.Account)
			}
		}
		e.judge.RestorePartial(now, b, live)
	}
	for flow, until := range e.parts.Watch.Flows() {
		restore(incident.PartialBlock{Kind: incident.BlockedFlow, Flow: flow, Until: until}, nil)
	}
	for at, until := range e.parts.Watch.Suspects() {
		restore(incident.PartialBlock{Kind: incident.ThrottledAddress, Throttled: at, Until: until}, e.parts.Watch.Live(at))
	}
	e.judge.EndAllowed(now)
}

// dropsFlow says whether a flow is dropped.
func (e *Engine) dropsFlow(now time.Time, flow netip.AddrPort) bool {
	return slices.ContainsFunc(e.judge.PartialBlocks(now), func(b incident.PartialBlock) bool { return b.Flow == flow })
}

// decidedWithin is how long ago the incident of a partial block may have been: a phone
// that goes on with a wrong password makes one a day.
const decidedWithin = 25 * time.Hour
