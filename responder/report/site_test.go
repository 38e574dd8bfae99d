package report_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

// The report of a guessing campaign says which address tried which accounts.
func TestGuessingCampaign(t *testing.T) {
	i := incident.Incident{
		ID: 7, At: noon, Key: score.Key{Per: score.PerSite}, Source: netip.MustParseAddr("192.0.2.3"), Threshold: "guessing campaign", Playbook: "notify only",
		Reason: "15 accounts guessed at", Mode: incident.Enforce, Steps: []incident.Step{{Step: incident.StepNotify, Target: "operator", State: incident.Done}},
	}
	for n := range 15 {
		i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{
			At: noon.Add(time.Duration(n-20) * time.Hour), Signal: score.InvalidPassword, Source: netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + n%2)}),
			Proof: score.Proof(n % 2), Account: fmt.Sprint(1001 + n),
		}})
	}
	i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{At: noon, Signal: score.GuessingCampaign, Source: i.Source, Proof: score.Proven, Account: "1016"}})
	r := report.Of(i, time.UTC)
	if r.Title != "The whole site: password guessing at many extensions" || !strings.HasPrefix(r.Outcome, "Reported. ") {
		t.Errorf("%s: %s", r.Title, r.Outcome)
	}
	text := words(t, i)
	for _, want := range []string{
		"192.0.2.1 (may be spoofed) tried 1001, 1003, 1005, 1007, 1009, 1011, 1013, 1015.",
		"192.0.2.2 tried 1002, 1004, 1006, 1008, 1010, 1012, 1014.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}
