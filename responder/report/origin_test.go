package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Calls that no phone set up are nobody's: the report names where they come from, and what
// to look for there.
func TestCallsOfNoAccount(t *testing.T) {
	at := time.Date(2026, 11, 30, 22, 0, 0, 0, time.UTC)
	for origin, want := range map[string][]string{
		score.PBXItself: {
			"Calls that no phone set up, from the PBX itself: toll fraud; NOT stopped",
			"manager.conf", "`tollwarden unlock pbx/itself`", "call 00371", "channel request hangup PJSIP/carrier-00000007",
		},
		score.TrunkOrigins + "carrier": {
			"Calls that no phone set up, from trunk carrier: toll fraud; NOT stopped",
			"DISA", "`tollwarden unlock trunk/carrier`",
		},
	} {
		i := incident.Incident{
			ID: 7, At: at, Key: score.Key{Per: score.PerOrigin, Account: origin}, Account: origin,
			Threshold: "toll fraud of the PBX", Playbook: "end", Reason: "call 00371: many", Mode: incident.Enforce,
			Steps: []incident.Step{
				{Step: incident.StepLimitCosts, Target: origin, State: incident.Done, Detail: "costly calls are ended until tomorrow"},
				{Step: incident.StepHangupCall, Target: "PJSIP/carrier-00000007", State: incident.Failed, Detail: "no answer"},
			},
		}
		var b strings.Builder
		if err := report.Of(i, time.UTC).Text(&b); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), w) {
				t.Errorf("%s: no %q in\n%s", origin, w, b.String())
			}
		}
	}
}
