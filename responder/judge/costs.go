package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/gate"
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
	detail := ""
	switch {
	case gate.IsHard(v):
		detail = j.Gate.LimitSpending(v)
	case v.Key.Per == score.PerOrigin:
		j.Gate.LimitOrigin(v.At, account)
	default:
		j.limitAccount(v, account)
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

func (j *Judge) limitAccount(v *score.Verdict, account string) {
	until := j.probationEnds(v.At, account)
	if !until.IsZero() {
		j.Contain.Costs.BeginProbation(v.At, account, until)
	}
	if until.IsZero() || v.Cause.Signal != score.NewPlaceAfterFailures {
		j.Contain.Costs.BeginAttack(v.At, account)
	}
}

// probationEnds is when the last of an account's addresses is off probation; zero if none
// is on it.
func (j *Judge) probationEnds(now time.Time, account string) (until time.Time) {
	if since, undecided := j.Places.Undecided([]byte(account), now); undecided {
		until = since.Add(places.ProbationFor)
	}
	return until
}

// endProbationLimit ends what the costs of an account are limited for an address that is no
// longer on probation, and has the incident that limits them say why if nothing does any
// more. It returns whether nothing does; another address, or an attack, may.
func (j *Judge) endProbationLimit(now time.Time, account, why string) (ended bool) {
	x, _ := j.Contain.Costs.Of(account)
	if ended = j.Contain.Costs.EndProbation(account, j.probationEnds(now, account)); ended {
		j.limitEnded(x.Incident, account, why)
	}
	return ended
}

// endCostLimit ends the limit of an account's costs, whatever asked for it, and has the
// incident that brought it about say why.
func (j *Judge) endCostLimit(account, why string) {
	if x, limited := j.Contain.Costs.Of(account); limited {
		j.Contain.Costs.End(account)
		j.limitEnded(x.Incident, account, why)
	}
}

// limitEnded has an incident say why the limit that it brought about has ended.
func (j *Judge) limitEnded(number int64, account, why string) {
	if number == 0 {
		return
	}
	s := incident.Step{Step: incident.StepLimitCosts, Target: account, State: incident.Done, Detail: incident.NoLonger + why, Took: 1}
	for _, u := range j.underWay {
		for n := range u.incident.Steps {
			if has := &u.incident.Steps[n]; u.incident.ID == number && has.Step == s.Step && has.Target == account && has.State == s.State {
				has.Detail = s.Detail
			}
		}
	}
	j.effects.NoteStep(number, s)
}

// EnforceProbation carries out, at a start in mode enforce, what mode observe only recorded of
// an account with an address on probation: its costs are limited for the rest of the time,
// and a person hears of it. It does nothing if they are limited already.
func (j *Judge) EnforceProbation(now time.Time, account string) {
	list := j.Places.Probations(account, now)
	t := j.newPlaceThreshold()
	if j.policy.Observe || len(list) == 0 || t == nil {
		return
	}
	if limit, limited := j.Contain.Costs.Of(account); limited && !limit.Until.IsZero() {
		return
	}
	v := &score.Verdict{
		At: now, Key: score.Key{Per: score.PerAccount, Account: account}, Threshold: t, Score: t.Score,
		Cause: score.Record{At: list[0].First, Signal: score.NewPlaceAfterFailures, Source: list[0].Source.Addr(), Account: account},
		Reason: fmt.Sprintf("on probation since %s, and its costly calls were not ended so far, as in mode observe: after wrong passwords that may be a thief's, the account was used from %s, a new address: its owner's, or a thief's",
			incident.TimeText(list[0].Since), incident.PrefixText(list[0].Source)),
	}
	v.Evidence = []score.Record{v.Cause}
	j.count(v)
	j.answer(v, nil)
}

// newPlaceThreshold is the threshold of an address on probation that limits costs; nil if the
// configuration has none.
func (j *Judge) newPlaceThreshold() *score.Threshold {
	for i := range j.policy.Thresholds {
		t := &j.policy.Thresholds[i]
		if t.Per == score.PerAccount && t.Points[score.NewPlaceAfterFailures] >= t.Score && slices.Contains(j.policy.Playbooks[t.Playbook], incident.StepLimitCosts) {
			return t
		}
	}
	return nil
}

// recordLimit has the calls that are ended belong to an incident that limits costs.
func (j *Judge) recordLimit(i *incident.Incident) {
	if i.Mode == incident.Enforce && slices.ContainsFunc(i.Steps, limitsCosts) {
		j.Contain.Costs.Record(i.Account, i.ID)
	}
}
