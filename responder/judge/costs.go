package judge

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
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
	if spendingHard(v) {
		j.limitSpending(v, steps)
		return
	}
	var until time.Time
	source := ""
	if since, undecided := j.Places.Undecided([]byte(account), v.At); undecided {
		until, source = since.Add(places.ProbationFor), v.Cause.Source.Unmap().String()
	}
	j.Contain.Costs.Begin(v.At, account, until, source)
	x, _ := j.Contain.Costs.Of(account)
	for i := range steps {
		if s := &steps[i]; s.Step == incident.StepLimitCosts && s.State == incident.Intended {
			s.State, s.Detail, s.Took = incident.Done, x.String(), 1
		}
	}
	j.effects.HoldChanged(x.Hold(account))
}

// recordLimit has the calls that are ended belong to an incident that limits costs.
func (j *Judge) recordLimit(i *incident.Incident) {
	if i.Mode != incident.Enforce || !slices.ContainsFunc(i.Steps, limitsCosts) {
		return
	}
	j.Contain.Costs.Record(i.Account, i.ID)
	if x, ok := j.Contain.Costs.Of(i.Account); ok {
		j.effects.HoldChanged(x.Hold(i.Account))
	}
}

// endCostLimit ends the limit of an account's costs. It returns whether there was one.
func (j *Judge) endCostLimit(account string) bool {
	if !j.Contain.Costs.End(account) {
		return false
	}
	j.effects.HoldEnded(account, incident.HoldCosts)
	return true
}

// pruneCostLimits ends the limits that are over.
func (j *Judge) pruneCostLimits(now time.Time) {
	for _, account := range j.Contain.Costs.Due(now) {
		j.effects.HoldEnded(account, incident.HoldCosts)
	}
}
