package test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

// exit runs a command beside the daemon and returns its exit code.
func (w *warden) exit(args ...string) (code int, out string) {
	w.t.Helper()
	out, err := w.tollwarden(args...)
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited):
		return exited.ExitCode(), out
	case err != nil:
		w.t.Fatal(err)
	}
	return 0, out
}

// stopLater ends the daemon with the test, and shows its log if that failed.
func (w *warden) stopLater() {
	w.t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if w.t.Failed() {
			w.t.Logf("the daemon's log:\n%s", w.log)
		}
	})
}

// A thief breaks in while the daemon only observes: people are told, with the calls that are
// up, and what a person orders is done. Once it enforces, it does nothing about the break-in by
// itself, and everything when a person says so.
func TestObserveThenEnforce(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		m := newMailbox(t, l)
		w := &warden{t: t, lab: l, dir: t.TempDir()}
		w.stopLater()
		w.write("mode = \"observe\"", lab.AMIUser, lab.AMISecret, british+fmt.Sprintf("[notify]\nwebhook = %q\n", m.url))
		w.start()
		thief := addPhone(t, addHost(t, l, "thief", guesserAddress), "1002")
		breakIn(t, thief)
		if l.Version == lab.Asterisk16 {
			callNowhere(t, thief) // over chan_sip only that shows that it is a thief
		}
		w.wait("the break-in", 10*time.Second, func() bool { return w.settled("break-in") })
		call, err := thief.Call(soon(t), "00442079460001")
		if err != nil {
			t.Fatalf("mode observe ends a call: %v", err)
		}
		w.wait("the answered call in the incident", 10*time.Second, func() bool { return w.answeredAndUp(t, "1002") })
		w.wait("the message", 10*time.Second, func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.mail) > 0 })
		if code, out := w.exit("status", "--socket", w.socket()); code != 5 || !strings.HasPrefix(out, "OBSERVING") {
			t.Errorf("status exits with %d\n%s", code, out)
		}
		if w.dropped(guesserAddress + "/32") {
			t.Error("mode observe has banned the thief")
		}
		if code, out := w.exit("ban", "203.0.113.99", "--socket", w.socket()); code != 0 || !w.dropped("203.0.113.99/32") {
			t.Errorf("a ban by hand: %d\n%s", code, out)
		}
		if _, out := w.exit("bans", "--socket", w.socket()); !strings.Contains(out, "203.0.113.99") || !strings.Contains(out, "would be blocked") {
			t.Errorf("bans:\n%s", out)
		}

		code, out := w.exit("enforce", "-c", w.config())
		byItself := l.Version == lab.Asterisk16 // its many calls that are up are judged, as at a start
		if code != 0 || !byItself && !strings.Contains(out, "1002: somebody else has used it") || !byItself && !strings.Contains(out, "tollwarden enforce --act") {
			t.Errorf("enforce exits with %d\n%s", code, out)
		}
		if up, err := call.Alive(soon(t)); !byItself && (err != nil || !up) {
			t.Errorf("the call was ended before a person said so: %v, %v", up, err)
		}
		if code, out := w.exit("enforce", "--act", "-c", w.config()); code != 0 || !byItself && !strings.Contains(out, "the playbook of a break-in is being carried out") {
			t.Errorf("enforce --act exits with %d\n%s", code, out)
		}
		w.wait("the containment", 10*time.Second, func() bool {
			return w.channels("1002") == 0 && !w.hasContact("1002") && w.dropped(guesserAddress+"/32") && w.settledAccount("1002")
		})
		w.contained(t, thief)
		if code, out := w.exit("status", "--socket", w.socket()); code != 0 {
			t.Errorf("status exits with %d\n%s", code, out)
		}
		if _, out := w.exit("enforce", "-c", w.config()); strings.Contains(out, "1002") {
			t.Errorf("what was dealt with is listed again:\n%s", out)
		}
	})
}

// answeredAndUp says whether an incident of an account knows of a call that was answered and is up.
func (w *warden) answeredAndUp(t *testing.T, account string) bool {
	for _, i := range w.incidents() {
		whole, err := w.client().Incident(t.Context(), i.ID)
		if err != nil || i.Account != account {
			continue
		}
		for _, c := range whole.Calls {
			if !c.Answered.IsZero() && c.Ended.IsZero() {
				return true
			}
		}
	}
	return false
}

// A threshold that only observes is recorded and reported, and changes nothing, while the
// others act; a second daemon does not get the same table; and while Asterisk is down, what a
// person asks for fails at once and is not done later.
func TestObservingThresholdSecondDaemonAndDeadAsterisk(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guardWith(t, l, strings.Replace(shortRules(3), "name = \"scanning\"", "name = \"scanning\"\nmode = \"observe\"", 1))
		tries := func(p *lab.Phone) { // and is refused, or not answered
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_ = p.Register(ctx)
		}
		if l.Version != lab.Asterisk16 { // which reports wrong names as wrong passwords
			scanner := addHost(t, l, "scanner", "203.0.113.50")
			for n := 0; n < 20 && !w.observed("scanning"); n++ {
				p, err := scanner.Phone(fmt.Sprintf("nobody%d", n), "x", lab.PhoneOptions{})
				if err != nil {
					t.Fatal(err)
				}
				tries(p)
				_ = p.Close()
			}
			w.wait("the scan", 10*time.Second, func() bool { return w.observed("scanning") })
			if w.dropped("203.0.113.50/32") {
				t.Error("a threshold that only observes has banned")
			}
		}
		guesser := addPhone(t, addHost(t, l, "guesser", guesserAddress), "1002")
		guesser.SetPassword("wrong")
		for n := 0; n < 10 && !w.dropped(guesserAddress+"/32"); n++ {
			tries(guesser)
		}
		w.wait("the guesser's ban", 10*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })

		second := &warden{t: t, lab: l, dir: t.TempDir(), log: &lab.Journal{}}
		second.write("", lab.AMIUser, lab.AMISecret, "")
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		out, err := l.PBX.Command(t.Context(), path, "run", "-c", second.config()).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "table inet tollwarden: in use by another daemon (process ") {
			t.Errorf("a second daemon with the same table: %v\n%s", err, out)
		}
		w.stop(syscall.SIGKILL) // the end of the first must not stop the next
		w.start()

		before := configuration(t, l)
		if err := l.Stop(); err != nil {
			t.Fatal(err)
		}
		w.wait("the loss of the session", 10*time.Second, func() bool { return !w.check("commands").OK })
		for _, command := range [][]string{{"hangup", "1002"}, {"rotate", "1002"}, {"rotate", "1002", "--expire"}, {"lock", "1002"}, {"compromise", "1002"}} {
			start := time.Now()
			code, out := w.exit(append(command, "--socket", w.socket())...)
			if took := time.Since(start); code != 1 || took > 3*time.Second || strings.Count(out, "\n") != 1 || !strings.Contains(out, "nothing was done, nor will it be later") {
				t.Errorf("%v exits with %d after %s: %s", command, code, took, out)
			}
		}
		if err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wait("the next session", 30*time.Second, func() bool { return w.check("commands").OK })
		time.Sleep(3 * time.Second) // the Keeper looks each second
		if after := configuration(t, l); after != before {
			t.Errorf("Asterisk's configuration has changed:\n%s", after)
		}
		if list, err := w.client().Orders(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("orders are left: %+v, %v", list, err)
		}
	})
}

// observed says whether a threshold has an incident about which nothing was done.
func (w *warden) observed(threshold string) bool {
	for _, i := range w.incidents() {
		if i.Threshold == threshold && i.Mode == incident.Observe {
			return true
		}
	}
	return false
}
