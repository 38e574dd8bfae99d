package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func TestIncompleteAnswersSaySo(t *testing.T) {
	failed := errors.New("no daemon answers")
	for _, tt := range []struct {
		name  string
		err   error
		want  error
		shown string
	}{
		{"whole", nil, nil, ""},
		{"failed", failed, failed, ""},
		{"incomplete", control.Incomplete("read ledger /x: 3 rows not on the disk yet: \x1b[2Jfull"), nil, "tollwarden: the answer is incomplete: read ledger /x: 3 rows not on the disk yet: \\x1b[2Jfull\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var shown strings.Builder
			cmd := &cobra.Command{}
			cmd.SetErr(&shown)
			if err := showIncomplete(cmd, tt.err); !errors.Is(err, tt.want) || shown.String() != tt.shown {
				t.Errorf("gave %v and showed %q, want %v and %q", err, shown.String(), tt.want, tt.shown)
			}
		})
	}
}

func TestStepSummary(t *testing.T) {
	step := func(kind incident.StepKind, state incident.State) incident.Step {
		return incident.Step{Step: kind, State: state}
	}
	ban, failed, rotate := step(incident.StepBan, incident.Done), step(incident.StepBan, incident.Failed), step(incident.StepRotate, incident.Done)
	for want, steps := range map[string][]incident.Step{
		"":                               nil,
		"banned":                         {ban},
		"banned, password changed":       {ban, rotate},
		"banned (3), ban failed, banned": {ban, ban, ban, failed, ban},
	} {
		if got := stepSummary(steps); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
