package test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// getsIn makes five wrong guesses at an account and the right one. Whether it hears that it
// was right depends on how fast it is dropped.
func getsIn(t *testing.T, thief *lab.Phone, account string) {
	t.Helper()
	for i := range 5 {
		thief.SetPassword(fmt.Sprintf("guess-%d", i))
		_ = thief.Register(soon(t))
	}
	thief.SetPassword(lab.Passwords[account])
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = thief.Register(ctx)
}

// step is the outcome of a step of the last incident about an account.
func (w *warden) step(account string, kind incident.StepKind) incident.Step {
	w.t.Helper()
	for _, i := range w.incidents() { // the newest first
		for _, s := range i.Steps {
			if i.Account == account && s.Step == kind {
				return s
			}
		}
	}
	return incident.Step{}
}

// restart kills the daemon, runs it again and waits until it listens.
func (w *warden) restart() {
	w.t.Helper()
	w.stop(syscall.SIGKILL)
	w.launch()
	w.wait("both sessions", 20*time.Second, func() bool {
		s, err := w.client().Status(w.t.Context())
		ok := 0
		for _, c := range s.Checks {
			if c.OK && (c.Name == "events" || c.Name == "commands") {
				ok++
			}
		}
		return err == nil && ok == 2
	})
	nextSecond()
}

// During a pause a break-in is told, and the thief's call stands; when he calls after it, it is
// contained. The break-in at the next account finds the limit reached: the thief's calls end
// and he is dropped, while the password waits for a person, also after a kill -9.
func TestPauseAndBreaker(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guardWith(t, l, "[breaker]\naccounts = 1\n"+shortRules(10))
	at := []string{"--socket", w.socket()}
	say := func(args ...string) string {
		t.Helper()
		out, err := w.tollwarden(append(args, at...)...)
		if err != nil {
			t.Errorf("%s: %v: %s", args[0], err, out)
		}
		return out
	}
	thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
	say("pause", "1h", "--reason", "phones move")
	getsIn(t, thief, "1002")
	call, err := thief.Call(soon(t), "0011442079460001")
	if err != nil {
		t.Fatal(err)
	}
	w.wait("the incident", 5*time.Second, func() bool { return w.step("1002", incident.StepRotate).State != "" })
	if s := w.step("1002", incident.StepRotate); s.State != incident.Skipped || s.Detail != "paused: would change the secret of 1002" {
		t.Errorf("during the pause: %+v", s)
	}
	if up, err := call.Alive(soon(t)); err != nil || !up || w.dropped(guesserAddress+"/32") {
		t.Errorf("something was done during the pause: the call is up %t, %v", up, err)
	}
	if code, out := w.status(); code != 4 || !strings.HasPrefix(out, "PAUSED until ") || !strings.Contains(out, "by root: phones move") {
		t.Errorf("status: exit code %d\n%s", code, out)
	}
	w.restart()
	if code, out := w.status(); code != 4 || !strings.HasPrefix(out, "PAUSED until ") {
		t.Errorf("status after a kill: exit code %d\n%s", code, out)
	}
	say("resume")

	// What was missed is forgotten with the kill, so the thief breaks in again.
	second := addPhone(t, addHost(t, l, "second", "192.0.2.67"), "1002")
	getsIn(t, second, "1002")
	w.wait("1002 to be contained", 10*time.Second, func() bool { return w.step("1002", incident.StepRotate).State == incident.Done })

	third := addPhone(t, addHost(t, l, "third", "192.0.2.68"), "1003")
	getsIn(t, third, "1003")
	w.wait("the third to be dropped", 5*time.Second, func() bool { return w.dropped("192.0.2.68/32") })
	w.wait("the calls of 1003 to be ended", 10*time.Second, func() bool { return w.step("1003", incident.StepHangup).State == incident.Done })
	if s := w.step("1003", incident.StepRotate); s.State != incident.Skipped || !strings.Contains(s.Detail, incident.WaitsForPerson) {
		t.Errorf("beyond the limit: %+v", s)
	}
	w.restart()
	if code, out := w.status(); code != 4 || !strings.Contains(out, "waiting for a person: 1003") {
		t.Errorf("status while 1003 waits: exit code %d\n%s", code, out)
	}
	if out := say("resume", "--waiting"); !strings.Contains(out, "changed the password of 1003") {
		t.Errorf("resume --waiting: %s", out)
	}
	w.wait("health", 5*time.Second, func() bool { code, _ := w.status(); return code == 0 })
	if s, err := w.client().Status(t.Context()); err != nil || len(s.Breaker.Waiting) > 0 {
		t.Errorf("1003 still waits: %v %+v", err, s.Breaker)
	}
}
