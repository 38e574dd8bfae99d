package judge

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/gate"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Policy is what the operator decided, and what the edges can do.
type Policy struct {
	Observe    bool // decide and record everything, change nothing
	Thresholds []score.Threshold
	Playbooks  map[string][]incident.StepKind
	Ladder     decide.Ladder
	BreakIn    score.BreakInConfig
	Slow       slow.Config
	Known      time.Duration // how long after its last success an address is known
	Restrict   contain.RestrictRule
	Calls      calls.Rules
	Budget     spending.Budget
	Allow      []netip.Prefix // never banned
	Username   string         // our own name on the manager interface
	Log        bool           // another sensor reads Asterisk's log
	Wire       bool           // another sensor sees SIP over UDP
	NoReceiver bool           // no receiver is configured
	Command    string         // the program that the step exec runs; "" is none
	Breaker    contain.BreakerRule
	DropsFlows bool // the kernel can drop single flows for us
	Throttles  bool // the kernel lets us decide about single packets
}

// spendingRules are the budgets, with the hours of the site.
func (p *Policy) spendingRules() spending.Rules {
	r, hours := p.Budget.Rules, p.Calls.Hours
	r.Zone, r.Closed, r.Learn = hours.Zone, hours.Closed, p.Calls.Learn
	return r
}

// gateRules are what decides which calls may go on.
func (p *Policy) gateRules() gate.Rules {
	return gate.Rules{Dialling: p.Calls.Dialling, Budget: p.Budget}
}

// thresholdOf is the threshold of that name; nil when the configuration has
// none any more.
func (p *Policy) thresholdOf(name string) *score.Threshold {
	for i := range p.Thresholds {
		if t := &p.Thresholds[i]; t.Name == name {
			return t
		}
	}
	return nil
}

// breakInThreshold is the threshold of a break-in; nil if the configuration has none.
func (p *Policy) breakInThreshold() *score.Threshold {
	for i := range p.Thresholds {
		if t := &p.Thresholds[i]; t.Per == score.PerAccount && t.Points[score.SuccessAfterFailures] >= t.Score {
			return t
		}
	}
	return nil
}

// newPlaceThreshold is the threshold of an address on probation that limits costs; nil if the
// configuration has none.
func (p *Policy) newPlaceThreshold() *score.Threshold {
	for i := range p.Thresholds {
		t := &p.Thresholds[i]
		if t.Per == score.PerAccount && t.Points[score.NewPlaceAfterFailures] >= t.Score && slices.Contains(p.Playbooks[t.Playbook], incident.StepLimitCosts) {
			return t
		}
	}
	return nil
}

// networkThreshold is the first threshold per network that bans and counts a signal.
func (p *Policy) networkThreshold(s score.Signal) *score.Threshold {
	for i := range p.Thresholds {
		t := &p.Thresholds[i]
		if t.Per == score.PerNetwork && t.Points[s] > 0 && slices.Contains(p.Playbooks[t.Playbook], incident.StepBan) {
			return t
		}
	}
	return nil
}

// concernsCalls says whether a verdict ends every call of its account, or the costly ones.
func (p *Policy) concernsCalls(v *score.Verdict) bool {
	return slices.ContainsFunc(p.Playbooks[v.Threshold.Playbook], func(s incident.StepKind) bool {
		return s == incident.StepHangup || s == incident.StepLimitCosts
	})
}
