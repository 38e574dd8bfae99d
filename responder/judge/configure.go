package judge

import (
	"fmt"
	"reflect"

	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
)

// Configure puts another policy in force without a pause: scores, bans,
// offences, known places and everything under way stay. The mode, our own name
// and the sensors cannot change while a Judge is used, and stay as they were; so
// does the allow list.
//
// Where the thresholds differ the scores are counted anew from the
// observations kept as evidence, of each key the newest 32. What those cross
// by the new thresholds is no verdict: only what is observed from now on is.
// An error leaves everything as it was.
func (j *Judge) Configure(p Policy) error {
	if !reflect.DeepEqual(p.Thresholds, j.policy.Thresholds) {
		table, err := score.New(p.Thresholds, score.Limits{})
		if err != nil {
			return fmt.Errorf("thresholds: %w", err)
		}
		for _, o := range j.table.Observations() {
			table.Observe(&o)
		}
		table.CopyRawTexts(j.table)
		*j.table = *table // which others hold, too
	}
	j.breakIn.Configure(p.BreakIn)
	j.Slow.Configure(p.Slow)
	j.Places.Configure(p.Known)
	j.Offences.Configure(p.Ladder.Forget)
	j.Repeats.Configure(p.Ladder.RepeatMemory())
	j.wouldBe.configure(p.Ladder)
	j.Calls.Configure(p.Calls)
	j.Spending.Configure(p.spendingRules())
	j.Contain.Restrictions.Configure(p.Restrict)
	j.Contain.Breaker.Configure(p.Breaker)
	j.Contain.Costs.Configure(p.Restrict)
	was := j.policy
	p.Username, p.Log, p.Wire, p.Allow, p.DropsFlows, p.Throttles = was.Username, was.Log, was.Wire, was.Allow, was.DropsFlows, was.Throttles
	j.policy = p
	j.Gate.Configure(p.gateRules())
	j.Partial.Configure(p.Ladder)
	return nil
}

// Raises says whether this version ever raises a signal, so that a threshold
// may count it.
func Raises(s score.Signal) bool {
	for _, sign := range signalOf {
		if s == sign {
			return true
		}
	}
	return slow.Raises(s) || spendingSignals[s] || intake.Raises(s)
}
