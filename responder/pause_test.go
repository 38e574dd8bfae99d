package responder_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// brokenInto is a break-in at each of these accounts, from an address of its own.
func brokenInto(accounts ...string) []byte {
	var b strings.Builder
	for _, account := range accounts {
		source := "192.0.2." + account[3:]
		b.WriteString(proven(failures(account, source, 4) + success(account, source)))
	}
	return []byte(b.String())
}

// stepsOf are the outcomes of a step of these incidents.
func stepsOf(list []incident.Incident, kind incident.StepKind) string {
	var states []string
	for _, i := range list {
		for _, s := range i.Steps {
			if s.Step == kind {
				states = append(states, string(s.State))
			}
		}
	}
	return strings.Join(states, " ")
}

// A pause survives a restart, ends by itself or by a person, and both are recorded. During it
// nothing is done but by hand.
func TestPauseSurvivesARestart(t *testing.T) {
	now := time.Now()
	h := newHarnessAt(t, now, guessing(3))
	for _, within := range []time.Duration{0, -time.Hour, 25 * time.Hour} {
		if _, err := h.Pause(now, within, "", 0); !errors.Is(err, incident.ErrRefused) {
			t.Errorf("a pause of %s: %v", within, err)
		}
	}
	if _, err := h.Pause(now, time.Hour, "phones move", 1000); err != nil {
		t.Fatal(err)
	}
	h.Engine = h.again(t, now.Add(time.Minute), guessing(3))
	if p := h.Senses(now.Add(time.Minute)).Pause; p.Reason != "phones move" || p.UID != 1000 || p.Until.Sub(now).Round(time.Second) != time.Hour {
		t.Fatalf("after a restart: %+v", p)
	}
	h.hear(t, now.Add(time.Minute), brokenInto("1001"))
	list := h.settled(t)
	if len(list) == 0 || list[0].Mode != incident.Paused || strings.Contains(stepsOf(list, incident.StepRotate)+stepsOf(list, incident.StepBan), "done") {
		t.Errorf("during the pause: %+v", list)
	}
	if _, err := h.Accounts.Rotate(t.Context(), "1001", 0); err != nil {
		t.Errorf("rotate by hand: %v", err)
	}
	if was, paused, waiting := h.Resume(now.Add(2*time.Minute), 1000); !paused || was.Reason != "phones move" || len(waiting) > 0 {
		t.Errorf("resume: %+v, %t, %+v", was, paused, waiting)
	}
	h.Engine = h.again(t, now.Add(3*time.Minute), guessing(3))
	if p := h.Senses(now.Add(3 * time.Minute)).Pause; !p.Until.IsZero() {
		t.Errorf("after resume and a restart: %+v", p)
	}
	if _, err := h.Pause(now, time.Hour, "", 0); err != nil {
		t.Fatal(err)
	}
	h.Engine = h.again(t, now.Add(2*time.Hour), guessing(3))
	if p := h.Senses(now.Add(2 * time.Hour)).Pause; !p.Until.IsZero() {
		t.Errorf("two hours later: %+v", p)
	}
	var said []string
	for _, a := range h.actions(t) {
		if strings.Contains(a, "pause") || strings.Contains(a, "resume") {
			said = append(said, a)
		}
	}
	if len(said) != 3 {
		t.Errorf("recorded: %q", said)
	}
}

// In mode observe there is nothing to pause.
func TestPauseInModeObserve(t *testing.T) {
	p := guessing(3)
	p.Observe = true
	h := newHarness(t, p)
	if _, err := h.Pause(noon, time.Hour, "", 0); !errors.Is(err, incident.ErrRefused) {
		t.Errorf("%v", err)
	}
}

// What was taken and what waits survives a restart; a person's rotation ends the waiting and
// counts for nothing, nor does what a person reports.
func TestBreakerSurvivesARestart(t *testing.T) {
	now := time.Now()
	p := guessing(10)
	p.Breaker = contain.BreakerRule{Accounts: 2, Within: time.Hour}
	h := newHarnessAt(t, now, p)
	if _, err := h.Accounts.Rotate(t.Context(), "1009", 0); err != nil { // by hand
		t.Fatal(err)
	}
	h.hear(t, now.Add(-time.Minute), []byte(success("1008", "203.0.113.8")))
	if _, err := h.Compromise(now, 0, "1008"); err != nil {
		t.Fatal(err)
	}
	h.hear(t, now, brokenInto("1001", "1002", "1003"))
	if got := stepsOf(h.settled(t), incident.StepRotate); strings.Count(got, "skipped") != 1 || strings.Count(got, "done") != 3 {
		t.Errorf("rotate: %s", got)
	}
	h.Engine = h.again(t, now.Add(time.Minute), p)
	b := h.Senses(now.Add(time.Minute)).Breaker
	if !b.Open || fmt.Sprint(b.Taken) != "[1001 1002]" || len(b.Waiting) != 1 || b.Waiting[0].Account != "1003" || b.Waiting[0].Words() != "rotate remove-registrations" {
		t.Fatalf("after a restart: %+v", b)
	}
	for account, do := range map[string]func() error{
		"1003": func() error { _, err := h.Accounts.Rotate(t.Context(), "1003", 0); return err },
		"1004": func() error { _, err := h.Accounts.Unlock(t.Context(), "1004", 0); return err },
		"1005": func() error { _, err := h.Accounts.Lock(t.Context(), "1005", 0); return err },
	} {
		h.hear(t, now.Add(time.Minute), brokenInto(account))
		waits := func() bool {
			return slices.ContainsFunc(h.Senses(now).Breaker.Waiting, func(w contain.Waiting) bool { return w.Account == account })
		}
		if !waits() {
			t.Errorf("%s does not wait", account)
		}
		if err := do(); err != nil || waits() {
			t.Errorf("%s, dealt with by hand: %v, waits %t", account, err, waits())
		}
	}
	h.Resume(now.Add(2*time.Minute), 0)
	h.Engine = h.again(t, now.Add(3*time.Minute), p)
	if b := h.Senses(now.Add(3 * time.Minute)).Breaker; b.Open || len(b.Taken) > 0 || len(b.Waiting) > 0 {
		t.Errorf("after resume and a restart: %+v", b)
	}
}
