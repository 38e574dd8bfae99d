package test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/test/lab"
)

// The AMI connection is dropped, Asterisk is restarted, crashes, and the daemon
// is stopped, killed and started again: it goes on each time, the bans stay in
// the kernel all along, and a new attacker is stopped afterwards.
func TestGoesOnAfterDisturbances(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		w := guard(t, l, 3)
		attackers := 0
		attack := func() {
			t.Helper()
			attackers++
			address := fmt.Sprintf("203.0.113.%d", attackers)
			h := addHost(t, l, fmt.Sprintf("attacker%d", attackers), address)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			g := lab.Guesser{Host: h, Account: "1002", Rate: 100, Most: 50, Ask: true}
			if _, err := g.Run(ctx); err != nil {
				t.Fatal(err)
			}
			w.wait(address+" in the kernel's set", 5*time.Second, func() bool { return w.dropped(address + "/32") })
		}
		attack()
		always := w.always("203.0.113.1/32")

		for name, disturb := range map[string]func(){
			"AMI dropped": func() {
				if out, err := w.lab.PBX.Command(t.Context(), "ss", "-K", "dport", "=", "5038").CombinedOutput(); err != nil {
					t.Fatalf("ss -K: %v: %s", err, out)
				}
			},
			"Asterisk restarted": func() {
				if err := l.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"Asterisk crashed": func() {
				if err := l.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := l.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"daemon restarted": func() { w.stop(syscall.SIGTERM); w.start() },
			"daemon killed":    func() { w.stop(syscall.SIGKILL); w.start() },
		} {
			before, err := w.client().Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			disturb()
			w.wait("a new session after: "+name, 20*time.Second, func() bool {
				s, err := w.client().Status(t.Context())
				return err == nil && s.Health == control.Healthy && s.Asterisk.ConnectedSince.After(*before.Asterisk.ConnectedSince)
			})
			attack()
		}
		always()
		bans, err := w.client().Bans(t.Context())
		if err != nil || len(bans) != attackers {
			t.Errorf("%d bans in the book, %v; want %d", len(bans), err, attackers)
		}
		for _, b := range bans {
			if b.Origin != "password guessing" || b.Reason == "" || (b.Offence == 1) == (b.Scope == "sip") { // what can be forged is no offence
				t.Errorf("a ban lost its reason: %+v", b)
			}
		}
	})
}

// always checks in short steps that the source is dropped, until the returned
// function is called.
func (w *warden) always(source string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int)
	looked := 0
	go func() {
		missed := 0
		for ctx.Err() == nil {
			looked++
			if !w.dropped(source) {
				missed++
			}
			time.Sleep(20 * time.Millisecond)
		}
		done <- missed
	}()
	w.t.Cleanup(cancel)
	return func() {
		w.t.Helper()
		cancel()
		if missed := <-done; missed > 0 {
			w.t.Errorf("%s was not dropped in %d of %d looks", source, missed, looked)
		}
		w.t.Logf("%s was dropped in each of %d looks", source, looked)
	}
}

// What a source did before the restart counts for its ladder, and a place that
// is known is known after it.
func TestRestartForgetsNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.Options{Version: lab.Asterisk22})
	w := guardWith(t, l, "[bans]\nladder = [\"4s\", \"forever\"]\n"+shortRules(3))
	attacker := addHost(t, l, "attacker", guesserAddress)
	guess := func() {
		t.Helper()
		// Over TCP, so that it is proven and an offence.
		p, err := attacker.Phone("1002", "wrong", lab.PhoneOptions{Transport: "tcp"})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range 3 {
			try, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = p.Register(try) // refused, or not answered any more
			cancel()
		}
		w.wait("the guesser in the kernel's set", 2*time.Second, func() bool { return w.dropped(guesserAddress + "/32") })
	}
	// 1003 is at home at the office; a storm of strangers on it, and a
	// restart, do not make its owner a thief.
	owner := addPhone(t, addHost(t, l, "office", "198.51.100.10"), "1003")
	register(t, owner)

	guess()
	w.wait("the end of the first ban", 10*time.Second, func() bool { return !w.dropped(guesserAddress + "/32") })
	w.stop(syscall.SIGTERM)
	w.start()
	for i := range 4 {
		h := addHost(t, l, fmt.Sprintf("stranger%d", i), fmt.Sprintf("203.0.113.%d", 10+i))
		g := lab.Guesser{Host: h, Account: "1003", Rate: 100, Most: 1, Ask: true}
		if _, err := g.Run(soon(t)); err != nil {
			t.Fatal(err)
		}
	}
	register(t, owner)
	guess()
	bans, err := w.client().Bans(t.Context())
	if err != nil || len(bans) != 1 || !bans[0].Forever() || bans[0].Offence != 2 {
		t.Errorf("bans = %+v, %v; want one, forever, for the second offence", bans, err)
	}
	for _, i := range w.incidents() {
		if crosses(i, "break-in") {
			t.Errorf("the owner at home was taken for a thief: %+v", i)
		}
	}
}
