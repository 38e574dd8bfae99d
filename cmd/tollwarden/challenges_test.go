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
	d := &daemon{responder: newSite(t, now, "").daemon}
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
