package judge

import (
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/score"
)

// JudgeAlreadyUp judges the calls that were up before any event told of them: those of the
// last Calls.ApplySnapshot. It returns them. Minutes, unlike seconds, have passed since they
// began, so that Asterisk is asked where each comes from before it is scored.
func (j *Judge) JudgeAlreadyUp(now time.Time) (list []calls.Channel) {
	list = j.Calls.AlreadyUp(now)
	j.scoreAlreadyUp(now, j.Calls.CheckAlreadyUp(now, list))
	return list
}

func (j *Judge) scoreAlreadyUp(now time.Time, signs []calls.Sign) {
	for _, s := range signs {
		switch {
		case j.contains(now, s.Account):
			j.counters.Suppressed++
		case !j.effects.AskSource(s, nil):
			j.scoreSign(now, s, nil)
		}
	}
}

// judgeAfterPause judges the calls that are up when a pause ends, as at a start: nothing was
// done about them while it was on. A break-in of that time is acted on if its account is in
// a call; how fast calls were dialled then no longer matters.
func (j *Judge) judgeAfterPause(now time.Time) {
	list := j.Calls.UpNow(now)
	for _, c := range list {
		for _, v := range j.missed.Of(score.Key{Per: score.PerAccount, Account: c.Account}) {
			if v.Cause.Signal == score.SuccessAfterFailures && j.policy.concernsCalls(v) {
				j.actOn(now, v)
			}
		}
	}
	signs := j.Calls.CheckAlreadyUp(now, list)
	j.scoreAlreadyUp(now, signs)
	forbidden := map[string]bool{}
	for _, s := range signs {
		forbidden[s.Channel] = forbidden[s.Channel] || s.Kind == calls.ForbiddenDestination
	}
	var legs []calls.Leg
	for leg := range j.Calls.Legs() {
		leg.Own = leg.Own && (forbidden[leg.Call] || !leg.Forbidden) // else the dialplan sends it where the phone did not dial
		legs = append(legs, leg)
	}
	slices.SortFunc(legs, func(a, b calls.Leg) int { return strings.Compare(a.Channel, b.Channel) })
	j.JudgeLegsAlreadyUp(now, legs)
	j.RefuseAlreadyUp(now, list)
}

// JudgeLegsAlreadyUp judges the legs to trunks that were up before any event told of them,
// and that no phone set up by a channel of its own: forwards, and calls of the PBX itself.
// All of them count from when they were answered.
func (j *Judge) JudgeLegsAlreadyUp(now time.Time, legs []calls.Leg) {
	for _, leg := range legs {
		if leg.Emergency {
			continue
		}
		j.Gate.LegBegan(now, leg.Channel, leg.Cause, leg.Trunk, &leg.Number)
		if !leg.Answered.IsZero() {
			j.Gate.LegAnswered(leg.Answered, leg.Channel)
		}
	}
	for _, s := range j.Calls.CheckLegsAlreadyUp(now, legs) {
		if !j.contains(now, s.Account) {
			j.scoreSign(now, s, nil)
		}
	}
	for _, leg := range legs {
		if !leg.Own && !leg.Emergency {
			j.Gate.Refuse(now, leg)
		}
	}
}

// RefuseAlreadyUp ends those calls of a list that their accounts may not have now: of an
// account that is locked, waits for a person, has its costs limited or an address on
// probation. It is to be called once it is known what happened meanwhile.
func (j *Judge) RefuseAlreadyUp(now time.Time, list []calls.Channel) {
	for _, c := range list {
		if _, up := j.Calls.Channel(c.Name); !up || j.policy.Calls.Dialling.Emergency(c.Dialled) || j.Gate.SweepNew(c) {
			continue
		}
		if j.Gate.EndsCallsOf(c.Account) {
			j.effects.EndCall(c.Name)
			continue
		}
		j.Gate.EndCostly(now, c.Account, c.Name, c.Dialled)
		j.placedBefore(now, c)
	}
}

// placedBefore is placed for a call that began before: no login shows where it comes from.
func (j *Judge) placedBefore(now time.Time, c calls.Channel) {
	_, limited := j.Contain.Costs.Of(c.Account)
	if _, undecided := j.Places.Undecided([]byte(c.Account), now); !limited && !undecided {
		return
	}
	s, ok := j.Calls.Placed(now, c.Account, c.Dialled, c.Name)
	if !ok {
		return
	}
	s.From, s.Hint = calls.Login{Source: c.From}, calls.Login{}
	if !j.effects.AskSource(s, nil) {
		j.judgePlaced(now, s, nil)
	}
}
