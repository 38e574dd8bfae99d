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

// A flood takes a line each, not one for every address.
func TestSharedIncident(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	i := incident.Incident{
		ID: 7, At: at, Key: score.Key{Per: score.PerSite}, Threshold: "password guessing", Mode: incident.Enforce,
		Reason: "2345 addresses that may be spoofed were blocked; 100 of them are listed; the first: 3 wrong passwords for 1002 within 1h",
	}
	for n := range 100 {
		source := netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})
		i.Steps = append(i.Steps, incident.Step{
			Step: incident.StepBan, Target: source.String(), State: incident.Done, Detail: "until 2026-11-22 12:10:00 UTC",
			Took: incident.Elapsed(time.Millisecond), Began: at.Add(time.Duration(n) * time.Millisecond),
		})
		i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{At: at, Signal: score.InvalidPassword, Source: source, Account: "1002"}})
	}
	r := report.Of(i, time.UTC)
	if r.Title != "2,345 addresses that may be spoofed were blocked" || r.Outcome != "It is over: stopped 1 ms after it was noticed." || r.Urgency != report.Stopped {
		t.Errorf("%s: %s, %s", r.Title, r.Outcome, r.Urgency)
	}
	got := text(t, i)
	if n := strings.Count(got, "\n"); n > 40 {
		t.Errorf("%d lines:\n%s", n, got)
	}
	if got := words(t, i); !strings.Contains(got, "Blocked 100 of 100 addresses that are on record.") || !strings.Contains(got, "unless one of the addresses is yours") {
		t.Errorf("%s", got)
	}
}

// What joined an incident stands in the story at its own time.
func TestJoinedIncident(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	later := at.Add(20 * time.Second)
	i := incident.Incident{
		At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Threshold: "break-in", Mode: incident.Enforce, Reason: "1 point; also password guessing: 3 points",
		Steps: []incident.Step{
			{Step: incident.StepBan, Target: "192.0.2.66", State: incident.Done, Took: incident.Elapsed(time.Millisecond)},
			{Step: incident.StepRotate, Target: "1002", State: incident.Done, Took: incident.Elapsed(30 * time.Millisecond), Began: later},
		},
	}
	got := words(t, i)
	for _, want := range []string{
		"12:00:00 Blocked 192.0.2.66 for some time.", "12:00:20 Changed the password of 1002.", "It is over: stopped 30 ms after it was noticed.", "1 point; also password guessing: 3 points.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

// An address that was blocked briefly, then longer, is released with one command.
func TestAddressBlockedTwice(t *testing.T) {
	i := breakIn()
	for _, s := range i.Steps {
		if s.Step == incident.StepBan {
			i.Steps = append(i.Steps, s)
			break
		}
	}
	var text bytes.Buffer
	if err := report.Of(i, time.UTC).Text(&text); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(text.String(), "tollwarden unban 203.0.113.9 --forgive"); n != 1 {
		t.Errorf("it names the command %d times:\n%s", n, &text)
	}
}
