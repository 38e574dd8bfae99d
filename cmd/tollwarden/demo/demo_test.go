package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
)

// The demo ends well with a firewall that drops …
func TestDemoStopsTheAttack(t *testing.T) {
	var out bytes.Buffer
	if err := Play(t.Context(), &out, false); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"192.0.2.66 is dropped after 3 guesses", "1002 has no calls, no registration and a new password",
		"1001 at 198.51.100.10 is still registered", "5 channels ended", "The right password for extension 1002, from",
		"After 8 wrong passwords,", // the 3 and the 5 that were sent, each counted once
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
	if strings.Contains(out.String(), demoSecret) {
		t.Error("the demo shows a secret")
	}
	if t.Failed() {
		t.Log(&out)
	}
}

// … and fails when nothing drops: it is a test of the daemon.
func TestDemoFailsWhenNothingDrops(t *testing.T) {
	s := &stage{out: &bytes.Buffer{}, start: time.Now()}
	if err := s.build(t.Context(), t.TempDir(), false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.daemon.Close()
		if err := s.pbx.Close(); err != nil {
			t.Error(err)
		}
	})
	s.wire = memoryWire{firewall.NewMemory(firewall.Config{})} // not the daemon's
	if err := s.singleThief(t.Context()); err == nil || !strings.Contains(err.Error(), "it was not stopped") {
		t.Errorf("the guesser was let in, and the demo says: %v", err)
	}
}
