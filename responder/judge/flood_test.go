package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// forged is three wrong passwords from an address that may be spoofed.
func forged(n int) string { return failures("1002", forger(n), 3) }

func forger(n int) string { return fmt.Sprintf("203.%d.%d.9", n/256, n%256) }

// Addresses that may be spoofed share one incident per minute; each ban names it.
func TestFloodSharesAnIncident(t *testing.T) {
	s := newSite(t, guessing(3))
	for n := range 150 {
		s.hear(t, noon.Add(time.Duration(n)*100*time.Millisecond), forged(n))
	}
	s.Watch(noon.Add(30 * time.Second))
	if len(s.incidents) != 1 {
		t.Fatalf("%d incidents: %s", len(s.incidents), s.verdicts())
	}
	i := s.incidents[0]
	if want := "150 addresses that may be spoofed were blocked; 100 of them are listed; the first: 3 wrong passwords for 1002 within 1h"; !strings.HasPrefix(i.Reason, want) {
		t.Errorf("%s", i.Reason)
	}
	if len(i.Steps) != 100 || i.Key.Per != score.PerSite || i.Account != "" || len(i.Evidence) < 100 || len(i.Evidence) > 110 {
		t.Errorf("%d steps, %d observations, %s", len(i.Steps), len(i.Evidence), i.Key)
	}
	for n := range 150 {
		ban, ok := s.Bans.Exact(noon.Add(time.Minute), netip.MustParsePrefix(forger(n)+"/32"))
		if want := n; !ok || ban.Incident != 1 || n < 100 && ban.Step != want || n >= 100 && ban.Step != incident.StepUnlisted {
			t.Fatalf("ban %d: %+v", n, ban)
		}
		if _, dropped := s.dropped[ban.Prefix]; !dropped {
			t.Fatalf("%s is not dropped", ban.Prefix)
		}
	}
	s.hear(t, noon.Add(time.Minute), forged(1000))
	s.hear(t, noon.Add(2*time.Minute), forged(1001))
	if got := s.verdicts(); got != "password guessing site, password guessing "+forger(1000)+", password guessing "+forger(1001) {
		t.Errorf("one address in a minute: %s", got)
	}
}

// Whoever proves its address is taken out of the heap: it has an incident of its own with
// its evidence, listed or not.
func TestProofLeavesTheFlood(t *testing.T) {
	for _, n := range []int{0, 5, 120} {
		s := newSite(t, guessing(3))
		for i := range 121 {
			s.hear(t, noon.Add(time.Duration(i)*100*time.Millisecond), forged(i))
		}
		later := noon.Add(20 * time.Second)
		s.hear(t, later, over("TCP", failures("1002", forger(n), 3)))
		ban, _ := s.Bans.Exact(later.Add(time.Second), netip.MustParsePrefix(forger(n)+"/32"))
		if ban.Scope != incident.ScopeAll || ban.Incident != 2 || ban.Step != 0 || len(s.incidents) != 2 || s.Counters().Confirmed != 1 {
			t.Fatalf("address %d: %+v, %d incidents", n, ban, len(s.incidents))
		}
		i := s.incidents[1]
		if i.Key.Value() != forger(n) || i.Account != "1002" || len(i.Evidence) != 6 || strings.Contains(i.Reason, "part of a flood") {
			t.Errorf("address %d: %s, %d observations: %s", n, i.Key, len(i.Evidence), i.Reason)
		}
	}
}

// A break-in in the middle of a flood is an incident of its own, although its own guesser
// was blocked with the others.
func TestBreakInDuringAFlood(t *testing.T) {
	s := newSite(t, guessing(3))
	for n := range 20 {
		s.hear(t, noon.Add(time.Duration(n)*100*time.Millisecond), strings.ReplaceAll(forged(n), "1002", "1003"))
	}
	at := noon.Add(3 * time.Second)
	s.hear(t, at, over("TCP", failures("1002", thief, 4)+success("1002", thief)))
	if got := s.verdicts(); got != "password guessing site, break-in 1002" {
		t.Fatalf("%s", got)
	}
	guesses := 0
	for _, e := range s.incidents[1].Evidence {
		if e.Signal.Failure() && e.Source.String() == thief {
			guesses++
		}
	}
	if guesses != 4 {
		t.Errorf("%d of 4 guesses", guesses)
	}
}

// Protected addresses in which packets are forged have incidents of their own, until they
// are too many.
func TestFloodInAProtectedName(t *testing.T) {
	p := guessing(3)
	p.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.0.0/16")}
	s := newSite(t, p)
	for n := range 200 {
		s.hear(t, noon.Add(time.Duration(n)*100*time.Millisecond), forged(n))
	}
	s.Watch(noon.Add(30 * time.Second))
	if len(s.incidents) != 5 || s.incidents[0].Key.Value() != forger(0) || len(s.Bans.List(noon)) != 0 {
		t.Fatalf("%s", s.verdicts())
	}
	last := s.incidents[4]
	if want := "196 addresses that may be spoofed were not blocked; 100 of them are listed"; !strings.HasPrefix(last.Reason, want) || len(last.Steps) != 100 || last.Steps[99].Detail != "on the allow list" {
		t.Errorf("%s: %d steps", last.Reason, len(last.Steps))
	}
}

// Networks whose addresses take turns are counted as networks.
func TestFloodCountsNetworks(t *testing.T) {
	s := newSite(t, climbing())
	at := noon
	for _, network := range []string{"192.0.2.%d", "203.0.113.%d", "198.18.7.%d"} {
		at = s.turn(at, 10*time.Millisecond, network, 10, 1)
	}
	s.hear(t, at, forged(3))
	s.Watch(at.Add(30 * time.Second))
	if got, want := s.incidents[0].Reason, "1 address and 3 networks that may be spoofed were blocked; the first: 10 addresses took turns"; len(s.incidents) != 1 || !strings.HasPrefix(got, want) {
		t.Errorf("%s: %s", s.verdicts(), got)
	}
}
