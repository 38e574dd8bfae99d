package daemon

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// newEngine is an engine that nobody runs.
func newEngine(t *testing.T) *responder.Engine {
	t.Helper()
	engine, err := responder.New(t.Context(), time.Now(), judge.Policy{}, responder.Parts{
		Firewall: firewallAdapter{firewall.NewMemory(firewall.Config{})}, Ledger: newLedger(t), Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// If the kernel delivers no more packets, the daemon goes on, and says what it
// goes on without.
func TestGoingOnWithoutTheWire(t *testing.T) {
	var log bytes.Buffer
	w := &wireSensor{log: zerolog.New(&log), throttle: newThrottle(nil, zerolog.Nop())}
	w.listen(t.Context(), func(context.Context, func(firewall.Packet)) error { return unix.ENOMEM })
	check := w.check(time.Now(), responder.Senses{})
	for _, text := range []string{check.Detail, log.String()} {
		if !strings.Contains(text, WithoutWire) || !strings.Contains(text, unix.ENOMEM.Error()) {
			t.Errorf("it says %q", text)
		}
	}
	if !check.OK {
		t.Error("the daemon is degraded for it")
	}
}

// After some packets were missed, status says so.
func TestMissedPacketsShow(t *testing.T) {
	now := time.Now()
	w := &wireSensor{engine: newEngine(t), throttle: newThrottle(nil, zerolog.Nop())}
	check := func(now time.Time) string { return w.check(now, w.engine.Senses(now)).Detail }
	if got := check(now); got != "SIP over UDP is seen" {
		t.Errorf("before: %s", got)
	}
	w.packet(firewall.Packet{At: now})
	if got := check(now); !strings.HasPrefix(got, "for ") {
		t.Errorf("after: %s", got)
	}
	if got := check(now.Add(time.Hour)); got != "SIP over UDP is seen" {
		t.Errorf("long after: %s", got)
	}
}

// Nothing is made in the kernel for a table in memory.
func TestWireOfATableInMemory(t *testing.T) {
	w, err := openWireSensor(config.Default(), nil, nil, firewall.NewMemory(firewall.Config{}), zerolog.Nop())
	if err != nil || w.watch != nil {
		t.Fatalf("%+v, %v", w, err)
	}
	if err := w.run(t.Context()); err != nil {
		t.Error(err)
	}
	if check := w.check(time.Now(), responder.Senses{}); !check.OK || !strings.Contains(check.Detail, "the kernel's firewall is not used") {
		t.Errorf("%+v", check)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}
