package decide

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestIdle(t *testing.T) {
	step := func(kind incident.StepKind, state incident.State, detail string) incident.Step {
		return incident.Step{Step: kind, State: state, Detail: detail}
	}
	protected := step(incident.StepBan, incident.Skipped, "protected")
	throttled := protected
	throttled.Instead = true
	for name, tc := range map[string]struct {
		steps []incident.Step
		why   string
		idle  bool
	}{
		"no steps":                         {nil, "", false},
		"a ban":                            {[]incident.Step{step(incident.StepBan, incident.Intended, "")}, "", false},
		"a ban that was skipped":           {[]incident.Step{protected}, "ban skipped: protected", true},
		"one that failed":                  {[]incident.Step{step(incident.StepBan, incident.Failed, "gone")}, "ban failed: gone", true},
		"something else in its place":      {[]incident.Step{throttled}, "", false},
		"skipped, and a person is told":    {[]incident.Step{protected, step(incident.StepNotify, incident.Intended, "")}, "ban skipped: protected", true},
		"skipped, and the account rotated": {[]incident.Step{protected, step(incident.StepRotate, incident.Intended, "")}, "", false},
		"no limit, but a person is told":   {[]incident.Step{step(incident.StepRestrict, incident.Skipped, "no home"), step(incident.StepNotify, incident.Intended, "")}, "restrict skipped: no home", false},
		"no limit, and nobody is told":     {[]incident.Step{step(incident.StepRestrict, incident.Skipped, "no home"), step(incident.StepNotify, incident.Skipped, "no receiver")}, "restrict skipped: no home; notify skipped: no receiver", true},
		"a message that nobody receives":   {[]incident.Step{step(incident.StepNotify, incident.Skipped, "no receiver")}, "notify skipped: no receiver", true},
	} {
		if why, idle := Idle(tc.steps); why != tc.why || idle != tc.idle {
			t.Errorf("%s: %q %t, want %q %t", name, why, idle, tc.why, tc.idle)
		}
	}
}

func TestGoesOn(t *testing.T) {
	ban := []incident.StepKind{incident.StepBan}
	for name, tc := range map[string]struct {
		facts Facts
		want  bool
	}{
		"a guesser who is banned":       {Facts{}, false},
		"one on the allow list":         {Facts{Allowed: true}, true},
		"at a protected address":        {Facts{Protected: "registered contact of 1001"}, true},
		"when there is no room":         {Facts{Full: true}, true},
		"in mode observe":               {Facts{Allowed: true, Observe: true}, false},
		"banned already":                {Facts{Banned: &incident.Ban{Prefix: guesser}}, false},
		"a phone with a wrong password": {Facts{Flow: &incident.Flow{Phone: "a phone"}}, false},
	} {
		tc.facts.Target = guesser
		why, got := GoesOn(Plan(guessing(false), ban, ladder, tc.facts), tc.facts)
		if got != tc.want {
			t.Errorf("%s: %q %t", name, why, got)
		}
		if got && Remedy(tc.facts) == "" {
			t.Errorf("%s: no remedy", name)
		}
	}
}

// An attack goes on from the third time that nothing is done, and is over when it
// has been quiet for ten minutes.
func TestUnstopped(t *testing.T) {
	key := score.Key{Per: score.PerSource, Prefix: guesser}
	var u Unstopped
	crossed := func(after time.Duration) bool {
		return u.Crossed(Attack{Key: key, Threshold: "password guessing", Last: noon.Add(after), Reason: "protected"})
	}
	for _, step := range []struct {
		after        time.Duration
		crossed      bool
		begins       bool
		goesOn       int
		since, times time.Duration
	}{
		{0, true, false, 0, 0, 0},
		{time.Minute, true, false, 0, 0, 0},
		{11 * time.Minute, true, false, 0, 0, 0}, // quiet for long enough: a new one
		{12 * time.Minute, true, false, 0, 0, 0},
		{13 * time.Minute, true, true, 1, 11 * time.Minute, 3},
		{22 * time.Minute, true, false, 1, 11 * time.Minute, 4},
		{31 * time.Minute, false, false, 1, 11 * time.Minute, 4},
		{32 * time.Minute, false, false, 0, 0, 0},
	} {
		if step.crossed && crossed(step.after) != step.begins {
			t.Errorf("after %s: begins %t", step.after, !step.begins)
		}
		list := u.List(noon.Add(step.after))
		if len(list) != step.goesOn {
			t.Fatalf("after %s: %+v", step.after, list)
		}
		if step.goesOn > 0 && (list[0].Since != noon.Add(step.since) || list[0].Crossed != int(step.times)) {
			t.Errorf("after %s: %+v", step.after, list[0])
		}
	}
	u.Prune(noon.Add(32 * time.Minute))
	if len(u.by) != 0 {
		t.Errorf("%d kept", len(u.by))
	}
	for i := range 3 {
		crossed(time.Hour + time.Duration(i))
	}
	if u.Stopped(key); len(u.List(noon.Add(time.Hour))) != 0 {
		t.Error("it goes on after something was done")
	}
}

func TestUnstoppedIsBounded(t *testing.T) {
	var u Unstopped
	for round := range 3 {
		for i := range 2 * maxUnstopped {
			u.Crossed(Attack{Key: score.Key{Per: score.PerAccount, Account: fmt.Sprint(i)}, Last: noon.Add(time.Duration(round) * time.Second)})
		}
	}
	if len(u.by) != maxUnstopped {
		t.Errorf("%d kept", len(u.by))
	}
}
