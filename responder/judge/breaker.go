package judge

import (
	"slices"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// stopped is why the steps of a verdict that take the account from its owner are not carried
// out; "" if they are, or if there are none.
func (j *Judge) stopped(v *score.Verdict) string {
	account := decide.AccountOf(v)
	takes := slices.ContainsFunc(j.policy.Playbooks[v.Threshold.Playbook], incident.StepKind.Takes)
	if account == "" || !takes || !j.Contain.Breaker.Stops(v.At, account) {
		return ""
	}
	return j.Contain.Breaker.Why()
}

// taken records whether the steps of a plan take the account from its owner, or wait for a
// person. In mode observe neither happens, but what would have happened counts.
func (j *Judge) taken(v *score.Verdict, steps []incident.Step, f decide.Facts) {
	account := decide.AccountOf(v)
	var waiting []incident.StepKind
	for _, s := range steps {
		switch {
		case !s.Step.Takes() || account == "" || f.Paused:
		case f.Stopped != "" && s.Detail == f.Stopped:
			waiting = append(waiting, s.Step)
		case s.State == incident.Intended || f.Observe && f.Stopped == "":
			j.Contain.Breaker.Take(v.At, account)
			j.endBreakerWait(account)
		}
	}
	if len(waiting) == 0 || f.Observe {
		return
	}
	if w, changed := j.Contain.Breaker.Wait(v.At, account, waiting); changed {
		j.effects.AccountWaits(w)
	}
}

// endBreakerWait records that an account no longer waits for a person because of the
// breaker.
func (j *Judge) endBreakerWait(account string) {
	if j.Contain.Breaker.EndWait(account) {
		j.effects.AccountWaits(contain.Waiting{Account: account})
	}
}
