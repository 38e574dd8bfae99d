package test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/test/lab"
)

// The daemon stands still for seconds while 4,000 events a second are raised and
// a thief breaks in. Asterisk keeps the session, the cheapest of the events that
// wait are skipped, the check says so, and the thief is dropped as soon as the
// daemon continues.
func TestBreakInUnderOverload(t *testing.T) {
	const still = 4 * time.Second
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guardWith(t, l, health+`
[[threshold]]
name = "break-in"
per = "account"
signals = { SuccessAfterFailures = 1 }
score = 1
within = "1h"
playbook = "block"
[[playbook]]
name = "block"
steps = ["ban"]
`)
	// Over UDP only the challenges, which are skipped, would confirm the address.
	thief, err := addHost(t, l, "thief", "203.0.113.66").Phone("1002", "", lab.PhoneOptions{Transport: "tcp"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = thief.Close() })
	flood := lab.Guesser{Host: addHost(t, l, "flood", "2001:db8:f::/48"), Account: "1003", Rate: 2000, Ask: true, Rove: true}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan lab.Guesses, 1)
	go func() {
		g, err := flood.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		done <- g
	}()
	time.Sleep(500 * time.Millisecond)
	w.signal(syscall.SIGSTOP)
	stopped := time.Now()
	breakIn(t, thief)
	time.Sleep(still - time.Since(stopped))
	if w.dropped("203.0.113.66/32") {
		t.Error("dropped by whom?")
	}
	w.signal(syscall.SIGCONT)
	took := w.wait("the thief to be dropped", 5*time.Second, func() bool { return w.dropped("203.0.113.66/32") })
	cancel()
	g := <-done
	s, err := w.client().Status(t.Context())
	if err != nil || s.Asterisk.Gaps != 0 {
		t.Fatalf("the session did not survive: %+v, %v", s.Asterisk, err)
	}
	passed := s.Counters["events_shed"]
	t.Logf("%d guesses were answered meanwhile; the thief was dropped %s after the daemon went on; %d events skipped", g.Answered, took.Round(time.Millisecond), passed)
	if c := w.check("events"); passed == 0 || !strings.Contains(c.Detail, "were skipped") || w.metric(`tollwarden_events_shed_total{event="ChallengeSent"}`) == 0 {
		t.Errorf("no event was skipped, or the check does not say so: %d, %+v", passed, c)
	}
	w.wait("the log's word", 5*time.Second, func() bool { return strings.Contains(w.log.String(), "events arrive faster than they are handled") })
}
