package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// The leg to a trunk makes the bill, whoever set it up: a phone, a forward, a caller from
// outside, or the PBX by itself. It is judged when it is dialled, and ended by its own
// channel.

// leaves judges a channel that is dialled, if it leads out of the site. raw is borrowed.
func (j *Judge) leaves(now time.Time, x calls.Dial, raw []byte) {
	leg, signs, ok := j.Calls.Leaves(now, x)
	if !ok || leg.Emergency {
		return
	}
	switch {
	case j.contains(now, leg.Cause):
		j.counters.Suppressed += uint64(len(signs))
		if j.policy.Calls.Dialling.Emergency(leg.Dialled) { // which spared it so far
			j.effects.Sweep(leg.Cause)
		}
	case leg.Again:
		if leg.Forbidden && j.ends(leg) {
			j.effects.EndCall(leg.Channel) // the dialplan tries another trunk
		}
	default:
		j.raise(now, signs, raw)
		if !score.IsOrigin(leg.Cause) {
			j.placed(now, placedCall{account: leg.Cause, number: leg.Costlier, channel: leg.Channel, by: x.By}, raw)
		}
	}
	j.refuse(now, leg)
	if leg.Own {
		j.legEnded(now, leg.Call) // it counted by itself as long as it led nowhere
	}
	j.legBegan(now, leg.Channel, leg.Cause, leg.Trunk, &leg.Number)
	if !leg.Answered.IsZero() {
		j.legAnswered(now, leg.Channel)
	}
}

// refuse ends a leg that its account or origin may not have now.
func (j *Judge) refuse(now time.Time, leg calls.Leg) {
	if j.policy.Observe {
		return
	}
	if j.Contain.Locks.Enforced(leg.Cause) {
		j.effects.EndCall(leg.Channel)
		return
	}
	if score.IsOrigin(leg.Cause) {
		j.endOfOrigin(now, leg)
		return
	}
	j.endCostly(now, leg.Cause, leg.Channel, leg.Costlier)
}

// ends says whether an incident under way ended an earlier leg of the same call, or the
// channel that set it up.
func (j *Judge) ends(leg calls.Leg) bool {
	for _, u := range j.underWay {
		if u.incident.Account != leg.Cause {
			continue
		}
		if slices.ContainsFunc(u.incident.Steps, func(s incident.Step) bool {
			if s.Step != incident.StepHangupCall || s.State != incident.Intended && s.State != incident.Done {
				return false
			}
			return s.Target == leg.Call || s.Target == leg.First
		}) {
			return true
		}
	}
	return false
}

// endOfOrigin ends a leg that costs, while the costs of its origin are limited.
func (j *Judge) endOfOrigin(now time.Time, leg calls.Leg) {
	limit, limited := j.Contain.Costs.Of(leg.Cause)
	if !limited || leg.Costs == "" || j.policy.Observe || j.pause.Active(now) {
		return
	}
	j.counters.CostlyEnded++
	j.effects.EndCall(leg.Channel)
	if c, others := leg.AsCall(); others && limit.Incident != 0 {
		if call, ok := j.Contain.Log.Add([]int64{limit.Incident}, c, time.Time{}, j.country); ok {
			j.recordCall(now, call)
		}
	}
}

// originLimitFor is how long an origin may make no costly calls once it made too many:
// over a night and a day, in which somebody reads the message.
const originLimitFor = 24 * time.Hour

// limitOrigin ends the costly calls of an origin that are up, and has new ones ended for a
// time.
func (j *Judge) limitOrigin(now time.Time, origin string) {
	j.Contain.Costs.BeginEverywhere(now, origin, now.Add(originLimitFor))
	for leg := range j.Calls.Legs() {
		if leg.Cause == origin {
			j.endOfOrigin(now, leg)
		}
	}
}

// legEnds records the end of a leg that is no call of an account's own channel.
func (j *Judge) legEnds(now time.Time, channel string) {
	leg, ok := j.Calls.Leg(channel)
	if !ok {
		return
	}
	c, others := leg.AsCall()
	if !others {
		return // the end of the account's own channel is the end of the call
	}
	j.recent.Add(c, now)
	if call, ok := j.Contain.Log.End(c, now, j.country); ok {
		j.recordCall(now, call)
	}
}

// originReason says in words what an origin's verdict is about.
func originReason(v *score.Verdict) string {
	return fmt.Sprintf("calls that no phone set up, from %s: %s", score.OriginWords(v.Key.Account), v.Reason)
}
