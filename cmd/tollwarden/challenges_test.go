package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// When the kernel delivers no more challenges, the daemon goes on, and says that
// it goes on without.
func TestGoingOnWithoutChallenges(t *testing.T) {
	var log bytes.Buffer
	d := &daemon{log: zerolog.New(&log)}
	err := d.seeChallenges(t.Context(), func(context.Context, func(firewall.Packet)) error { return unix.ENOMEM })
	if err != nil {
		t.Errorf("it ends the daemon: %v", err)
	}
	check := desk{d}.proof(time.Now())
	for _, said := range []string{check.Detail, log.String()} {
		if !strings.Contains(said, withoutProof) || !strings.Contains(said, unix.ENOMEM.Error()) {
			t.Errorf("it says %q", said)
		}
	}
}

// After missing some challenges, status does not say that they are seen.
func TestMissedChallengesAreTold(t *testing.T) {
	now := time.Now()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	engine, err := responder.New(t.Context(), now, judge.Policy{}, responder.Parts{
		Firewall: firewallAdapter{firewall.NewMemory(firewall.Config{})}, Ledger: l, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{engine: engine}
	if c := (desk{d}).proof(now); c.Detail != "challenges are seen" {
		t.Errorf("before: %s", c.Detail)
	}
	d.packet(firewall.Packet{At: now})
	if c := (desk{d}).proof(now); !c.OK || !strings.HasPrefix(c.Detail, "off for ") {
		t.Errorf("after: %+v", c)
	}
	if c := (desk{d}).proof(now.Add(time.Hour)); c.Detail != "challenges are seen" {
		t.Errorf("long after: %s", c.Detail)
	}
}
