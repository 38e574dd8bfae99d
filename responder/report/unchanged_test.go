package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
)

// A report of what was not stopped does not say that it was, and says what to do.
func TestReportOfWhatWasNotDone(t *testing.T) {
	paused := breakIn()
	paused.Mode = incident.Paused
	for n := range paused.Steps[:4] {
		paused.Steps[n].State, paused.Steps[n].Detail = incident.Skipped, "paused: would do it"
	}
	waits := breakIn()
	waits.Steps[2].State, waits.Steps[2].Detail = incident.Skipped, incident.WaitsForPerson+": 5 extensions had a password change or a lock within 1h already (breaker.accounts)"
	for name, tc := range map[string]struct {
		of        incident.Incident
		contained bool
		want      []string
	}{
		"paused": {paused, false, []string{"NOT stopped: Tollwarden was paused, so it changed nothing.", "End the pause when the maintenance is over: `tollwarden resume`."}},
		"waits":  {waits, true, []string{"tollwarden rotate 1002 --expire", "breaker.accounts"}},
	} {
		r := report.Of(tc.of, time.UTC)
		var text bytes.Buffer
		if err := r.Text(&text); err != nil || r.Contained != tc.contained {
			t.Errorf("%s: %v, contained %t", name, err, r.Contained)
		}
		words := strings.Join(strings.Fields(text.String()), " ") // however the lines are broken
		for _, want := range tc.want {
			if !strings.Contains(words, want) {
				t.Errorf("%s: it lacks %q:\n%s", name, want, &text)
			}
		}
	}
}
