package ledger

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Accounts count that an incident took from their owners lately: not those of steps that were
// skipped, of mode observe, or of what a person ordered.
func TestTaken(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	put := func(at time.Time, mode incident.Mode, account string, step incident.StepKind, state incident.State) {
		l.PutIncident(&incident.Incident{At: at, Mode: mode, Steps: []incident.Step{
			{Step: incident.StepHangup, Target: account, State: incident.Done}, {Step: step, Target: account, State: state},
		}})
	}
	put(noon.Add(-2*time.Minute), incident.Enforce, "1001", incident.StepRotate, incident.Done)
	put(noon.Add(-time.Minute), incident.Enforce, "1001", incident.StepRotate, incident.Failed)
	put(noon, incident.Enforce, "1002", incident.StepLock, incident.Intended)
	put(noon, incident.Enforce, "1003", incident.StepRemoveRegistrations, incident.Done)
	put(noon, incident.Enforce, "1004", incident.StepRotate, incident.Skipped)
	put(noon, incident.Observe, "1005", incident.StepRotate, incident.Done)
	put(noon.Add(-2*time.Hour), incident.Enforce, "1006", incident.StepRotate, incident.Done)
	put(noon, incident.Enforce, "1007", incident.StepRestrict, incident.Done)
	l.PutAction(Action{At: noon, Action: "rotate", Target: "1008"})
	put(noon, incident.Enforce, "1009", incident.StepRotate, incident.Done)
	l.PutAction(Action{At: noon, Action: "compromise", Target: "1009"})
	put(noon, incident.Enforce, "1010", incident.StepRotate, incident.Done) // at the same time, by the daemon
	put(noon.Add(-time.Minute), incident.Enforce, "1011", incident.StepRotate, incident.Done)
	l.PutAction(Action{At: noon, Action: "compromise", Target: "1011"}) // later, by a person
	flush(t, l)
	same(t, "taken", must[map[string]time.Time](t)(l.Taken(t.Context(), noon.Add(-time.Hour))), map[string]time.Time{
		"1001": noon.Add(-time.Minute), "1002": noon, "1003": noon, "1010": noon, "1011": noon.Add(-time.Minute),
	})
}
