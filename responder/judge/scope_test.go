package judge_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// byOffence is guessing with the default scopes.
func byOffence(threshold int) judge.Policy {
	p := guessing(threshold)
	p.Ladder.Scopes = []incident.Scope{incident.ScopeAsterisk, incident.ScopeAll}
	return p
}

// An administrator who mistypes loses Asterisk's ports, a guesser who comes back
// everything.
func TestFirstBanLeavesSSH(t *testing.T) {
	for _, transport := range []string{"TCP", "TLS", "WSS"} {
		s := newSite(t, byOffence(3))
		s.hear(t, noon, over(transport, failures("1002", thief, 5))) // two were in Asterisk's queues
		if got := s.bans(noon.Add(time.Second)); got != "192.0.2.66/32 asterisk #1" || len(s.incidents) != 1 {
			t.Errorf("%s: first %s, %d incidents", transport, got, len(s.incidents))
		}
		again := noon.Add(61 * time.Minute)
		s.Prune(again)
		s.hear(t, again, over(transport, failures("1002", thief, 3)))
		if got := s.bans(again.Add(time.Second)); got != "192.0.2.66/32 all #2" {
			t.Errorf("%s: second %s", transport, got)
		}
	}
}

// A guesser of the manager interface gets the same.
func TestFirstBanOfAManagersGuesser(t *testing.T) {
	s := newSite(t, byOffence(3))
	s.hear(t, noon, over("TCP", of("AMI", failures("admin", thief, 3))))
	if got := s.bans(noon.Add(time.Second)); got != "192.0.2.66/32 asterisk #1" {
		t.Errorf("%s", got)
	}
}

// Over UDP the address may be spoofed at first. Once it is proven, its ban is that of
// the offence: the first closes TCP, too, and the second everything.
func TestProofGivesTheScopeOfTheOffence(t *testing.T) {
	s := newSite(t, byOffence(3))
	for _, want := range []string{"192.0.2.66/32 asterisk #1", "192.0.2.66/32 all #2"} {
		s.hear(t, noon, failures("1002", thief, 3))
		if got := s.bans(noon.Add(time.Second)); got != "192.0.2.66/32 sip #0" {
			t.Fatalf("before proof: %s", got)
		}
		s.hear(t, noon.Add(time.Second), over("TCP", strings.ReplaceAll(failures("1002", thief, 3), "SessionID: ", "SessionID: t")))
		if got := s.bans(noon.Add(2 * time.Second)); got != want {
			t.Fatalf("proven: %s, want %s", got, want)
		}
		s.Bans.Remove(netip.MustParsePrefix(thief + "/32"))
		s.ClearScore(netip.MustParsePrefix(thief + "/32"))
	}
}

// Who has the right password is no administrator who mistyped: everything is closed for
// a second offence's time, also if guesses brought a first ban a moment ago.
func TestBreakInClosesEverything(t *testing.T) {
	for name, tc := range map[string]struct{ events, want string }{
		"at once":             {over("TCP", breakIn("1002")), "192.0.2.66/32 all #1"},
		"after its own three": {over("TCP", failures("1002", thief, 4)+success("1002", thief)), "192.0.2.66/32 all #2"},
	} {
		s := newSite(t, byOffence(3))
		s.hear(t, noon, tc.events)
		if got := s.bans(noon.Add(time.Second)); got != tc.want {
			t.Errorf("%s: %s", name, got)
			continue
		}
		if b := s.Bans.List(noon.Add(time.Second))[0]; b.Until.Sub(b.Since) != 24*time.Hour {
			t.Errorf("%s: for %s", name, b.Until.Sub(b.Since))
		}
	}
}
