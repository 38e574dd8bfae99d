package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/gate"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// travels says why the account of a verdict may be used from anywhere, so that it is not
// restricted to its networks; "" if it lives in one.
func (j *Judge) travels(v *score.Verdict) string {
	account := decide.AccountOf(v)
	if _, restricted := j.Contain.Restrictions.Networks(account); restricted || j.policy.Restrict.Lived == 0 || account == "" {
		return ""
	}
	return j.Places.LivedIn(v.At, account, j.policy.Restrict.Lived)
}

// limitsCosts says whether a step limits the costs of an account, or is replaced by that.
func limitsCosts(s incident.Step) bool {
	return s.Step == incident.StepLimitCosts && s.State != incident.Skipped || s.Step == incident.StepRestrict && s.State == incident.Skipped && s.Instead
}

// limitCosts carries out the steps of a plan that limit costs, unless the plan was made for
// mode observe or a pause. They need nothing of Asterisk, and are done at once.
func (j *Judge) limitCosts(v *score.Verdict, steps []incident.Step, f decide.Facts) {
	account := decide.AccountOf(v)
	if f.Observe || f.Paused || !slices.ContainsFunc(steps, limitsCosts) {
		return
	}
	detail := ""
	switch {
	case gate.IsHard(v):
		detail = j.Gate.LimitSpending(v)
	case v.Key.Per == score.PerOrigin:
		j.Gate.LimitOrigin(v.At, account)
	default:
		j.limits.begin(v, account)
	}
	if x, _ := j.Contain.Costs.Of(account); detail == "" {
		detail = x.String()
	}
	for i := range steps {
		if s := &steps[i]; s.Step == incident.StepLimitCosts && s.State == incident.Intended {
			s.State, s.Detail, s.Took = incident.Done, detail, 1
		}
	}
}

// EnforceProbation carries out, at a start in mode enforce, what mode observe only recorded of
// an account with an address on probation: its costs are limited for the rest of the time,
// and a person hears of it. It does nothing if they are limited already.
func (j *Judge) EnforceProbation(now time.Time, account string) {
	list := j.Places.Probations(account, now)
	t := j.policy.newPlaceThreshold()
	if j.policy.Observe || len(list) == 0 || t == nil {
		return
	}
	if limit, limited := j.Contain.Costs.Of(account); limited && !limit.Until.IsZero() {
		return
	}
	v := &score.Verdict{
		At: now, Key: score.Key{Per: score.PerAccount, Account: account}, Threshold: t, Score: t.Score,
		Cause: score.Record{At: list[0].First, Signal: score.NewPlaceAfterFailures, Source: list[0].Source.Addr(), Account: account},
		Reason: fmt.Sprintf("on probation since %s, and its costly calls were not ended so far, as in mode observe: after wrong passwords that may be a thief's, the extension was used from %s, a new address: its owner's, or a thief's",
			incident.TimeText(list[0].Since), incident.PrefixText(list[0].Source)),
	}
	v.Evidence = []score.Record{v.Cause}
	j.count(v)
	j.answer(v, nil)
}
