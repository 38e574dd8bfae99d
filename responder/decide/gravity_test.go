package decide

import (
	"testing"

	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestGravityOf(t *testing.T) {
	for kinds, want := range map[[2]incident.StepKind]Gravity{
		{incident.StepNotify, incident.StepExec}:       Noticed,
		{incident.StepBan, incident.StepNotify}:        KeptOut,
		{incident.StepRestrict, incident.StepNotify}:   KeptOut,
		{incident.StepLimitCosts, incident.StepNotify}: Limited,
		{incident.StepHangupCall, incident.StepNotify}: CallEnded,
		{incident.StepBan, incident.StepRotate}:        Compromise,
		{incident.StepHangupCall, incident.StepLock}:   Compromise,
	} {
		if got := GravityOf([]incident.Step{{Step: kinds[0]}, {Step: kinds[1]}}); got != want {
			t.Errorf("%v: %d, want %d", kinds, got, want)
		}
	}
}

// A step under way is not begun again, a done one is; nobody is told twice.
func TestNewSteps(t *testing.T) {
	step := func(kind incident.StepKind, state incident.State) incident.Step {
		return incident.Step{Step: kind, Target: "1002", State: state}
	}
	banned := step(incident.StepBan, incident.Intended)
	banned.Ban.Prefix = guesser
	instead := func(detail string) incident.Step {
		s := step(incident.StepBan, incident.Skipped)
		s.Instead, s.Detail = true, detail
		return s
	}
	for name, tc := range map[string]struct {
		has, plan incident.Step
		resend    bool
		want      int
	}{
		"under way":                 {step(incident.StepHangup, incident.Intended), step(incident.StepHangup, incident.Intended), false, 0},
		"done: there is more":       {step(incident.StepHangup, incident.Done), step(incident.StepHangup, incident.Intended), false, 1},
		"limited already":           {step(incident.StepLimitCosts, incident.Done), step(incident.StepLimitCosts, incident.Done), false, 0},
		"not limited before":        {step(incident.StepLimitCosts, incident.Skipped), step(incident.StepLimitCosts, incident.Done), false, 1},
		"failed: try again":         {step(incident.StepRotate, incident.Failed), step(incident.StepRotate, incident.Intended), false, 1},
		"another step":              {step(incident.StepHangup, incident.Intended), step(incident.StepRotate, incident.Intended), false, 1},
		"banned already":            {step(incident.StepBan, incident.Done), step(incident.StepBan, incident.Skipped), false, 0},
		"throttled already":         {instead("throttled"), instead("throttled"), false, 0},
		"throttled, and now closed": {instead("throttled"), instead("closed"), false, 1},
		"a wider ban":               {step(incident.StepBan, incident.Done), banned, false, 1},
		"skipped for another why":   {step(incident.StepHangup, incident.Done), step(incident.StepRestrict, incident.Skipped), false, 1},
		"a message was sent":        {step(incident.StepNotify, incident.Done), step(incident.StepNotify, incident.Intended), false, 0},
		"a message, and it's grave": {step(incident.StepNotify, incident.Done), step(incident.StepNotify, incident.Intended), true, 1},
	} {
		if got := NewSteps([]incident.Step{tc.has}, []incident.Step{tc.plan}, tc.resend); len(got) != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
