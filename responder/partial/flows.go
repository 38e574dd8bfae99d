package partial

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// DropFlows enters the flows that a plan drops into the registry, and returns them.
func (x *Blocks) DropFlows(v *score.Verdict, steps []incident.Step) (flows []incident.Flow) {
	for _, s := range steps {
		if s.State == incident.Intended && s.Flow.At.IsValid() {
			x.flows.Add(v)
			x.blockFlow(v, s.Flow)
			x.counters.Flows++
			flows = append(flows, s.Flow)
		}
	}
	return flows
}

// Cut says which flow or connection of a verdict is to be dropped (decide.Flows.Cut).
func (x *Blocks) Cut(v *score.Verdict, own bool, agent string, wider bool) (incident.Flow, bool) {
	return x.flows.Cut(v, own, agent, wider)
}

// PartOf makes a flow that is dropped without a step of its own part of an incident.
func (x *Blocks) PartOf(f incident.Flow, number int64) {
	x.blocked.Recorded(f.At, f.Connection, number)
}

// blockFlow enters a flow that is to be dropped into the registry.
func (x *Blocks) blockFlow(v *score.Verdict, f incident.Flow) {
	evicted, full := x.blocked.Put(v.At, incident.PartialBlock{
		Kind: incident.BlockedFlow, Flow: f.At, Connection: f.Connection, Account: v.Cause.Account, Phone: f.Phone,
		Since: v.At, Until: v.At.Add(f.For), Reason: v.Reason, Origin: v.Threshold.Name,
	})
	if full {
		x.liftFlow(evicted)
	}
}

// liftFlow lets a flow through before its time.
func (x *Blocks) liftFlow(b incident.PartialBlock) {
	x.forgetFlow(b)
	x.effects.LiftFlow(b)
	x.effects.PartialChanged(b, incident.Released)
}

// forgetFlow forgets a flow. undo brings it back into the registry.
func (x *Blocks) forgetFlow(b incident.PartialBlock) (undo func()) {
	x.flows.Forget(event.SourcePrefix(b.Flow.Addr()), b.Flow.Port(), b.Connection)
	return x.blocked.Remove(b)
}

// FlowAcknowledged records that the kernel drops a flow, or why it does not.
func (x *Blocks) FlowAcknowledged(flow netip.AddrPort, connection bool, err error) {
	if b, ok := x.blocked.Acknowledged(flow, connection, err); ok && err == nil {
		x.effects.PartialChanged(b, incident.Blocked)
	}
}

func (x *Blocks) pruneFlows(now time.Time) {
	for _, ended := range x.blocked.Prune(now) {
		x.effects.PartialChanged(ended, incident.Ended)
	}
}
