package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Pause begins a pause, or changes the one that is on.
func (j *Judge) Pause(p decide.Pause) { *j.pause = p }

// Resume ends the pause, judges the calls that are up, and closes the circuit breaker. It
// returns the pause that was on, if one was.
func (j *Judge) Resume(now time.Time) (was decide.Pause, paused bool) {
	was, paused = *j.pause, j.pause.Active(now)
	*j.pause = decide.Pause{}
	j.Contain.Breaker.Resume(now)
	if paused {
		j.Spending.RaiseAgain() // nothing was done about it
		j.judgeAfterPause(now)
	} else {
		j.Forgive(now, "")
	}
	return was, paused
}

// Paused returns the pause that is on, if one is.
func (j *Judge) Paused(now time.Time) (p decide.Pause, paused bool) {
	return *j.pause, j.pause.Active(now)
}

// PauseOver says, once, that a pause has ended by itself, and judges the calls that are up.
func (j *Judge) PauseOver(now time.Time) (was decide.Pause, over bool) {
	if j.pause.Until.IsZero() || j.pause.Active(now) {
		return decide.Pause{}, false
	}
	was, *j.pause = *j.pause, decide.Pause{}
	j.Spending.RaiseAgain()
	j.judgeAfterPause(now)
	return was, true
}

// modeOf is the mode of an incident about a verdict.
func (j *Judge) modeOf(v *score.Verdict) incident.Mode {
	if j.observes(v) {
		return incident.Observe
	}
	return j.siteMode(v.At)
}

// siteMode is the mode of most incidents at a time: of all but those about thresholds that
// only observe.
func (j *Judge) siteMode(now time.Time) incident.Mode {
	if !j.policy.Observe && j.pause.Active(now) {
		return incident.Paused
	}
	return incident.ModeOf(j.policy.Observe)
}

// resumedBy acts on the verdicts of a pause whose attack goes on: an address fails again.
// With a nil observation, the account calls.
func (j *Judge) resumedBy(now time.Time, account string, o *score.Observation) {
	if j.missed.Len() == 0 || j.pause.Active(now) {
		return
	}
	keys := []score.Key{{Per: score.PerAccount, Account: account}}
	if o != nil && o.Source.IsValid() {
		keys = append(keys, score.SourceKey(o.Source), score.NetworkKey(o.Source))
	}
	for _, k := range keys {
		for _, v := range j.missed.Of(k) {
			if o == nil && j.policy.concernsCalls(v) || o != nil && j.continues(v, o) {
				j.actOn(now, v)
			}
		}
	}
}

// continues says whether an observation continues the attack of a verdict.
func (j *Judge) continues(v *score.Verdict, o *score.Observation) bool {
	if v.Threshold.Points[o.Signal] > 0 {
		return true
	}
	if v.Key.Per != score.PerAccount || o.Signal != score.SuccessfulAuth {
		return false
	}
	source := event.SourcePrefix(o.Source)
	_, thief := j.Places.Thief(o.Account, source)
	return thief || v.Cause.Signal == score.NewPlaceAfterFailures && j.Places.OnProbation(o.Account, source, o.At)
}

// actOn acts on a verdict of a pause, if its threshold still exists and nobody has decided
// whose the account's new address is.
func (j *Judge) actOn(now time.Time, v *score.Verdict) {
	j.missed.Forget(v.Key, v.Threshold.Name)
	if _, undecided := j.Places.Undecided([]byte(v.Key.Account), now); !undecided && v.Cause.Signal == score.NewPlaceAfterFailures {
		return
	}
	if t := j.policy.thresholdOf(v.Threshold.Name); t != nil {
		again := *v
		again.At, again.Threshold = now, t
		j.count(&again)
		j.answer(&again, nil)
	}
}
