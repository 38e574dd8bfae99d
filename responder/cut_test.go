package responder

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A call that nobody has room to end is told of by its incident's number.
func TestCallThatNobodyHasRoomToEnd(t *testing.T) {
	var seen []Incident
	r := still(t, Policy{
		Thresholds: []score.Threshold{{Name: "forbidden", Per: score.PerAccount, Points: map[score.Signal]int{score.ForbiddenDestination: 1}, Score: 1, Within: time.Hour, Playbook: "end"}},
		Playbooks:  map[string][]StepKind{"end": {StepHangupCall}},
	}, Parts{Witness: func(i Incident) { seen = append(seen, i) }})
	for range maxEndings {
		r.endings <- ending{}
	}
	r.mu.Lock()
	r.score(noon, calls.Sign{Kind: calls.ForbiddenDestination, Account: "1002", Channel: "PJSIP/1002-00000001"})
	r.mu.Unlock()
	for _, i := range seen {
		if i.ID == 0 {
			t.Errorf("told without a number: %+v", i)
		}
	}
	rows, err := r.parts.Ledger.Incidents(t.Context(), 0)
	if err != nil || len(rows) != 1 || len(rows[0].Steps) != 1 || rows[0].Steps[0].State != "failed" {
		t.Errorf("recorded %+v, %v; want one incident whose one step failed", rows, err)
	}
}
