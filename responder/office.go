package responder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An office behind one address: several phones at home there, and one whose
// password is wrong. It fails for ever, and the others must not pay for it: its
// flow alone is dropped, and a person told which phone to mend.

const (
	// healthyPhones is how many accounts make a source an office.
	healthyPhones = 2
	// officeFlows is how many flows of a source may be dropped within an hour.
	// One phone has one, or two when its router gives it another; more are
	// somebody who changes his port, and the source is banned like any other.
	officeFlows = 3
	officeHour  = time.Hour
	// maxOffices bounds the offices with a dropped flow.
	maxOffices = 4096
)

var errBusy = errors.New("too many flows at once")

// flow is one phone's conversation: what a stale phone's plan drops.
type flow struct {
	at    netip.AddrPort
	phone string // in words
}

// offices knows which flows were dropped, by source key.
type offices map[netip.Prefix]map[uint16]time.Time

// stale is the flow of the phone whose wrong password brought a verdict about;
// false when it was anything else: a guesser tries several accounts, or comes
// from several ports. The caller holds the lock.
func (r *Responder) stale(v *score.Verdict) (flow, bool) {
	if v.Key.Per != score.PerSource || !v.Proven || v.Cause.Transport != event.UDP || v.Cause.Account == "" || !v.Cause.Signal.Failure() {
		return flow{}, false
	}
	for _, e := range v.Evidence {
		failed := v.Threshold.Points[e.Signal] > 0 && v.At.Sub(e.At) < v.Threshold.Within
		if failed && (e.Account != v.Cause.Account || !e.Signal.Failure()) {
			return flow{}, false
		}
	}
	healthy, agent := 0, ""
	phones, _ := r.trust.phones.Get(v.Key.Prefix)
	for _, p := range phones {
		if p.account != v.Cause.Account {
			healthy++
		} else if p.agent != "" && (agent == "" || p.port == v.Cause.Port) {
			agent = p.agent
		}
	}
	if healthy < healthyPhones || !r.offices.room(v) {
		return flow{}, false
	}
	if agent == "" {
		agent = r.agents.of(v.Cause.Account, v.Key.Prefix)
	}
	f := flow{at: netip.AddrPortFrom(v.Cause.Source, v.Cause.Port), phone: "the phone of account " + strconv.QuoteToGraphic(v.Cause.Account)}
	if agent != "" {
		f.phone += fmt.Sprintf(" (User-Agent %s)", strconv.QuoteToGraphic(agent))
	}
	return f, true
}

// room says whether one more flow of the verdict's source may be dropped.
func (o offices) room(v *score.Verdict) bool {
	ports, known := o[v.Key.Prefix]
	if !known {
		return len(o) < maxOffices
	}
	recent := 0
	for port, at := range ports {
		if port != v.Cause.Port && v.At.Sub(at) < officeHour {
			recent++
		}
	}
	return recent < officeFlows
}

func (o offices) add(source netip.Prefix, port uint16, at time.Time) {
	if o[source] == nil {
		o[source] = map[uint16]time.Time{}
	}
	o[source][port] = at
}

func (o offices) prune(now time.Time) {
	for source, ports := range o {
		for port, at := range ports {
			if now.Sub(at) >= officeHour {
				delete(ports, port)
			}
		}
		if len(ports) == 0 {
			delete(o, source)
		}
	}
}

// planFlow is what takes the place of a ban where one phone's password is stale.
func planFlow(now time.Time, f facts, ladder Ladder) Step {
	s := Step{Kind: StepBan, Target: f.stale.at.String(), State: Intended, flow: *f.stale, ban: Ban{Until: now.Add(ladder.Claimed)}}
	s.skipUnless(!f.allowed, "on the allow list")
	s.skipUnless(f.flows || f.observe, f.stale.phone+" has a wrong password: mend it; nothing is dropped, since others use this address and the kernel drops no single flows for us")
	return s
}

// dropFlow has the kernel drop the flow of a plan. The caller holds the lock.
func (r *Responder) dropFlow(v *score.Verdict, f flow, done func(error)) {
	r.offices.add(v.Key.Prefix, v.Cause.Port, v.At)
	r.counters.Flows++
	select {
	case r.flowsC <- flowOrder{f.at, r.policy.Ladder.Claimed, done}:
	default:
		r.counters.LaneFull++
		go done(errBusy)
	}
}

// flowOrder is one flow to drop, for how long, and what to call with the
// outcome.
type flowOrder struct {
	flow netip.AddrPort
	long time.Duration
	done func(error)
}

// maxFlowOrders bounds what waits for the kernel.
const maxFlowOrders = 4096

// cutFlows has the kernel drop flows until ctx ends.
func (r *Responder) cutFlows(ctx context.Context) {
	for {
		select {
		case o := <-r.flowsC:
			o.done(r.parts.Watch.DropFlow(o.long, o.flow))
		case <-ctx.Done():
			return
		}
	}
}

// dropFlows drops every flow of a plan. The caller holds the lock.
func (r *Responder) dropFlows(v *score.Verdict, steps []Step, done func(n int) func(error)) {
	for n, s := range steps {
		if s.State == Intended && s.flow.at.IsValid() {
			r.dropFlow(v, s.flow, done(n))
		}
	}
}

// flowDropped records what became of a flow in the kernel.
func (r *Responder) flowDropped(i *Incident, n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := i.Steps[n]
	if err != nil {
		r.settle(i, n, Failed, err.Error())
		return
	}
	r.settle(i, n, Done, fmt.Sprintf("SIP of this one flow dropped for %s, and again while it goes on: %s has a wrong password, mend it; the others at this address are in service",
		s.ban.Until.Sub(i.At), s.flow.phone))
}

// agents remembers what the phones of an account called themselves at a source,
// after their registration ran out: a phone with a stale password has none.
type agents map[agentOf]string

type agentOf struct {
	account string
	source  netip.Prefix
}

const maxAgents = 1 << 14

func (a agents) of(account string, source netip.Prefix) string { return a[agentOf{account, source}] }

func (a agents) learn(contacts []Contact) {
	for _, c := range contacts {
		of := agentOf{c.Account, event.SourcePrefix(c.Source)}
		if _, known := a[of]; c.Agent != "" && (known || len(a) < maxAgents) {
			a[of] = c.Agent
		}
	}
}
