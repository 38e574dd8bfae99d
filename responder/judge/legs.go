package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
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
		if leg.Forbidden && j.ongoing.Ends(leg.Cause, leg.Call, leg.First) {
			j.effects.EndCall(leg.Channel) // the dialplan tries another trunk
		}
	default:
		j.raise(now, signs, raw)
		if !score.IsOrigin(leg.Cause) {
			j.placed(now, placedCall{account: leg.Cause, channel: leg.Channel, by: x.By, leg: &leg}, raw)
		}
	}
	j.Gate.Refuse(now, leg)
	if leg.Own {
		j.Gate.LegEnded(now, leg.Call) // it counted by itself as long as it led nowhere
	}
	j.Gate.LegBegan(now, leg.Channel, leg.Cause, leg.Trunk, &leg.Number)
	if !leg.Answered.IsZero() {
		j.Gate.LegAnswered(now, leg.Channel)
	}
}
