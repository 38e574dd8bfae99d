package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// JudgeAlreadyUp judges the calls that were up before any event told of them: those of the
// last Calls.ApplySnapshot. It returns them. Minutes, unlike seconds, have passed since they
// began, so that Asterisk is asked where each comes from before it is scored.
func (j *Judge) JudgeAlreadyUp(now time.Time) (list []calls.Channel) {
	list = j.Calls.AlreadyUp(now)
	for _, s := range j.Calls.CheckAlreadyUp(now, list) {
		switch {
		case j.contains(now, s.Account):
			j.counters.Suppressed++
		case !j.effects.AskSource(s, nil):
			j.scoreSign(now, s, nil)
		}
	}
	return list
}

// JudgeLegsAlreadyUp judges the legs to trunks that were up before any event told of them,
// and that no phone set up by a channel of its own: forwards, and calls of the PBX itself.
// All of them count from when they were answered.
func (j *Judge) JudgeLegsAlreadyUp(now time.Time, legs []calls.Leg) {
	for _, leg := range legs {
		if leg.Emergency {
			continue
		}
		j.legBegan(now, leg.Channel, leg.Cause, leg.Trunk, &leg.Number)
		if !leg.Answered.IsZero() {
			j.legAnswered(leg.Answered, leg.Channel)
		}
	}
	for _, s := range j.Calls.CheckLegsAlreadyUp(now, legs) {
		if !j.contains(now, s.Account) {
			j.scoreSign(now, s, nil)
		}
	}
	for _, leg := range legs {
		if !leg.Own && !leg.Emergency {
			j.refuse(now, leg)
		}
	}
}

// RefuseAlreadyUp ends those calls of a list that their accounts may not have now: of an
// account that is locked, waits for a person, has its costs limited or an address on
// probation. It is to be called once it is known what happened meanwhile.
func (j *Judge) RefuseAlreadyUp(now time.Time, list []calls.Channel) {
	for _, c := range list {
		if _, up := j.Calls.Channel(c.Name); !up || j.policy.Calls.Dialling.Emergency(c.Dialled) || j.sweepNew(now, c) {
			continue
		}
		if j.endsCallsOf(c.Account) {
			j.effects.EndCall(c.Name)
			continue
		}
		j.endCostly(now, c.Account, c.Name, c.Dialled)
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
