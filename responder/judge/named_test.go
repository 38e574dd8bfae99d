package judge_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/places"
)

// Where a host name on the allow list leads, forged packets block nobody, and a ban that
// they brought is released.
func TestHostNameOnTheAllowList(t *testing.T) {
	s := throttling(t, false)
	home := "203.0.113.7"
	s.guessesAt(t, noon, home, 40000, 3)
	if got := s.bans(noon.Add(time.Minute)); !strings.Contains(got, home) {
		t.Fatalf("a guesser is not banned: %q", got)
	}
	s.effects()
	s.judge.SetNamed(noon.Add(time.Minute), []places.Protected{{Prefix: netip.MustParsePrefix(home + "/32"), Why: "home.example.org on the allow list"}})
	if got := s.bans(noon.Add(time.Minute)); got != "" {
		t.Errorf("still banned: %s", got)
	}
	s.guessesAt(t, noon.Add(time.Hour), home, 40000, 5)
	if got := s.bans(noon.Add(time.Hour + time.Minute)); got != "" {
		t.Errorf("banned on evidence that may be spoofed: %s", got)
	}
}
