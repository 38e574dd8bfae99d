package test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/test/lab"
)

const exitDegraded = 4

// status runs the command and returns its exit code and what it printed.
func (w *warden) status() (code int, out string) {
	w.t.Helper()
	out, err := w.tollwarden("status", "--socket", w.socket())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), out
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return 0, out
}

// guessOn has a host guess until the test, or stop, ends it.
func guessOn(t *testing.T, l *lab.Lab, from *lab.Host) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil { // where it is not answered it gives up
			_, _ = lab.Guesser{Host: from, Account: "1002", Rate: 10, Ask: l.Version == lab.Asterisk16}.Run(ctx)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// A daemon on another machine than the one that Asterisk's packets cross, as with a
// container that has a network of its own: it bans, and nothing of it has an
// effect. It must not say that all is well.
func TestBanWithoutEffectIsNoticed(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		r := newRelayAt(t, l, lab.PBXAddress)
		attacker := addHost(t, l, "attacker", guesserAddress)
		w := &warden{t: t, lab: l, dir: t.TempDir(), ami: r.address(), host: addHost(t, l, "warden", "192.0.2.40")}
		w.write("", lab.AMIUser, lab.AMISecret, shortRules(3))
		w.start()
		t.Cleanup(func() {
			w.stop(syscall.SIGTERM)
			if t.Failed() {
				t.Logf("the daemon's log:\n%s", w.log)
			}
		})
		stop := guessOn(t, l, attacker)
		w.wait("status to name the ban", 10*time.Second, func() bool {
			code, out := w.status()
			return code == exitDegraded && strings.Contains(out, "the ban of "+guesserAddress) && strings.Contains(out, "has had no effect since")
		})
		w.wait("the incident to say so", 5*time.Second, func() bool {
			list := w.incidents()
			s := list[len(list)-1].Steps[0]
			return s.State == incident.Failed && strings.HasPrefix(s.Detail, "without effect: until ")
		})
		s, err := w.client().Status(t.Context())
		if err != nil || s.Health != control.Degraded || len(s.Ineffective) != 1 || s.Ineffective[0].Ban.Prefix != guesserPrefix || s.Ineffective[0].Widened == nil {
			t.Errorf("%v: %+v", err, s.Ineffective)
		}
		_, out := w.status()
		t.Log(out)
		stop()
		time.Sleep(time.Second) // what is under way
		if out, err := w.tollwarden("unban", guesserAddress, "--socket", w.socket()); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.wait("status to be well again", 10*time.Second, func() bool { code, _ := w.status(); return code == 0 })
	})
}

// Where the guesser may not be banned, status says that the attack goes on, and ends
// when it is banned.
func TestAttackThatGoesOnIsNoticed(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		attacker := addHost(t, l, "attacker", guesserAddress)
		w := guard(t, l, 3)
		if out, err := w.tollwarden("allow", "add", guesserAddress, "--socket", w.socket()); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		guessOn(t, l, attacker)
		w.wait("status to name the attack", 10*time.Second, func() bool {
			code, out := w.status()
			return code == exitDegraded && strings.Contains(out, "password guessing by address "+guesserAddress+" has gone on since") &&
				strings.Contains(out, "ban skipped: on the allow list")
		})
		if out, err := w.tollwarden("allow", "remove", guesserAddress, "--socket", w.socket()); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.wait("the ban", 10*time.Second, func() bool { return w.dropped(guesserPrefix.String()) })
		w.wait("status to be well again", 10*time.Second, func() bool { code, _ := w.status(); return code == 0 })
		time.Sleep(5 * time.Second) // the guesser goes on in vain
		if code, out := w.status(); code != 0 {
			t.Errorf("exit code %d while a ban has its effect:\n%s", code, out)
		}
	})
}
