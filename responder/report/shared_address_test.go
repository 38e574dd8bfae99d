package report_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A report of guesses from where phones are says that one device is blocked, and what was
// done about the address when it went on: never that nobody else is affected.
func TestReportOfWhereOthersAre(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	office := netip.MustParsePrefix("198.51.100.10/32")
	flow := incident.Step{
		Step: incident.StepBan, Target: "198.51.100.10:7001", State: incident.Done,
		Detail: incident.Flow{At: netip.MustParseAddrPort("198.51.100.10:7001"), For: 10 * time.Minute, About: "a device"}.Dropped(at),
	}
	skipped := func(instead string) incident.Step {
		return incident.Step{Step: incident.StepBan, Target: "198.51.100.10", State: incident.Skipped, Detail: "another extension is in use at this address" + instead}
	}
	for name, tc := range map[string]struct {
		steps   []incident.Step
		want    []string
		without string
	}{
		"one device": {[]incident.Step{flow}, []string{
			"At 198.51.100.10, where your phones are: password guessing", "Blocked one phone at 198.51.100.10:7001; the others at this address keep working.", "Find the phone at 198.51.100.10:7001",
		}, "Did not block"},
		"throttled": {[]incident.Step{flow, skipped(incident.InsteadThrottled + "until later")}, []string{
			"Did not block 198.51.100.10, since phones of yours are there, but throttled it.", "throttled until later", "Find what guesses behind 198.51.100.10", "`tollwarden unban 198.51.100.10` lifts",
		}, "Attack from"},
		"closed": {[]incident.Step{flow, skipped(incident.InsteadClosed + "over TCP until later")}, []string{
			"Did not block 198.51.100.10, since phones of yours are there, but nothing new is let in from there for a time.", "over TCP until later",
		}, "Nothing."},
		"allowed": {[]incident.Step{skipped("")}, []string{"At 198.51.100.10, where your phones are", "Nothing was done"}, "Attack from"},
	} {
		i := incident.Incident{
			ID: 3, At: at, Key: score.Key{Per: score.PerSource, Prefix: office}, Threshold: "password guessing",
			Account: "1002", Mode: incident.Enforce, Steps: tc.steps,
		}
		var text bytes.Buffer
		if err := report.Of(i, time.UTC).Text(&text); err != nil {
			t.Fatal(err)
		}
		words := strings.Join(strings.Fields(text.String()), " ")
		for _, want := range tc.want {
			if !strings.Contains(words, want) {
				t.Errorf("%s: it lacks %q:\n%s", name, want, &text)
			}
		}
		if strings.Contains(words, tc.without) {
			t.Errorf("%s: it says %q:\n%s", name, tc.without, &text)
		}
	}
}

// A login after others' guesses is not said to be spoofed because the guesses may be.
func TestLoginAfterGuessesIsNotSpoofed(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	i := incident.Incident{
		ID: 3, At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Threshold: "new place after guessing", Account: "1002", Mode: incident.Enforce,
		Evidence: []incident.Evidence{{Record: score.Record{
			At: at, Signal: score.NewPlaceAfterFailures, Source: netip.MustParseAddr("203.0.113.40"), Proof: score.Spoofable, Account: "1002",
		}}},
	}
	var text bytes.Buffer
	if err := report.Of(i, time.UTC).Text(&text); err != nil {
		t.Fatal(err)
	}
	if words := strings.Join(strings.Fields(text.String()), " "); strings.Contains(words, "may be spoofed") || !strings.Contains(words, "after others' guesses, from 203.0.113.40.") {
		t.Errorf("it says\n%s", words)
	}
}
