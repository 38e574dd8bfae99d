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
	if r.Title != "2345 addresses that may be spoofed were blocked" || r.Outcome != "Stopped within 1ms of detection." {
		t.Errorf("%s: %s", r.Title, r.Outcome)
	}
	if n := len(r.Story) + len(r.Affected) + len(r.Changed) + len(r.Next); n > 12 {
		t.Errorf("%d lines: %v %v %v %v", n, r.Story, r.Affected, r.Changed, r.Next)
	}
	if got := fmt.Sprint(r.Changed, r.Next); !strings.Contains(got, "Blocked the 100 addresses that are listed below.") || !strings.Contains(got, "unless one of the addresses is yours") {
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
	r := report.Of(i, time.UTC)
	var story []string
	for _, m := range r.Story {
		story = append(story, m.At.Format("15:04:05.000 ")+m.What)
	}
	want := []string{
		"12:00:00.001 Blocked 192.0.2.66.",
		`12:00:20.000 Threshold "break-in" crossed: 1 point; also password guessing: 3 points.`,
		"12:00:20.030 Changed the password of 1002.",
	}
	if got := strings.Join(story, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s", got)
	}
	if r.Outcome != "Stopped within 30ms of detection." {
		t.Errorf("%s", r.Outcome)
	}
}
