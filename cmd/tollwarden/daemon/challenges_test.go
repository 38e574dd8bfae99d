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

// If the kernel delivers no more challenges, the daemon goes on, and says what it
// goes on without.
func TestGoingOnWithoutChallenges(t *testing.T) {
	var log bytes.Buffer
	c := &challenges{log: zerolog.New(&log)}
	c.listen(t.Context(), func(context.Context, func(firewall.Packet)) error { return unix.ENOMEM })
	check := c.check(time.Now(), responder.Senses{})
	for _, text := range []string{check.Detail, log.String()} {
		if !strings.Contains(text, WithoutProof) || !strings.Contains(text, unix.ENOMEM.Error()) {
			t.Errorf("it says %q", text)
		}
	}
	if !check.OK {
		t.Error("the daemon is degraded for it")
	}
}

// After some challenges were missed, status does not say that they are seen.
func TestMissedChallengesShow(t *testing.T) {
	now := time.Now()
	c := &challenges{engine: newEngine(t)}
	check := func(now time.Time) string { return c.check(now, c.engine.Senses(now)).Detail }
	if got := check(now); got != "challenges are seen" {
		t.Errorf("before: %s", got)
	}
	c.packet(firewall.Packet{At: now})
	if got := check(now); !strings.HasPrefix(got, "off for ") {
		t.Errorf("after: %s", got)
	}
	if got := check(now.Add(time.Hour)); got != "challenges are seen" {
		t.Errorf("long after: %s", got)
	}
}

// Nothing is made in the kernel for a table in memory, or in mode observe.
func TestChallengesOfATableInMemory(t *testing.T) {
	c, err := openChallenges(config.Default(), firewall.NewMemory(firewall.Config{}), zerolog.Nop())
	if err != nil || c.watch != nil {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := c.run(t.Context()); err != nil {
		t.Error(err)
	}
	if check := c.check(time.Now(), responder.Senses{}); !check.OK || !strings.Contains(check.Detail, "the kernel's firewall is not used in this mode") {
		t.Errorf("%+v", check)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
}
