package judge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
)

// guessesIn counts the guesses that incidents list, and says whether any is listed twice or
// out of order.
func (s *site) guessesIn(t *testing.T, from int) (n int) {
	t.Helper()
	seen := map[string]bool{}
	for _, i := range s.incidents[from:] {
		var last time.Time
		for _, e := range i.Evidence {
			key := fmt.Sprint(e.At.UnixNano(), e.Source, e.Port, e.Signal, e.Session)
			if e.Signal.Failure() && seen[key] {
				t.Errorf("incident %d lists %s again", i.ID, key)
			}
			if e.At.Before(last) {
				t.Errorf("incident %d: %s is out of order", i.ID, key)
			}
			if seen[key], last = true, e.At; e.Signal.Failure() {
				n++
			}
		}
	}
	return n
}

// One guesser behind an office is one incident, whatever is cut of it one after another,
// and each guess is listed once.
func TestOneGuesserIsOneIncident(t *testing.T) {
	s := sharing(t, accounts(5)...)
	s.registered(noon, accounts(5)...)
	s.challenged(noon, office)
	at, made := noon, 0
	guess := func(transport string, port int, accounts ...string) {
		s.hear(t, at, over(transport, guesses(port, accounts...)))
		made += len(accounts)
		at = at.Add(time.Second)
		s.Watch(at)
		if len(s.incidents) > 0 && s.guessesIn(t, 0) != made && made > 3 {
			t.Errorf("%d guesses made over %s:%d, %d listed", made, transport, port, s.guessesIn(t, 0))
		}
	}
	for _, way := range []struct {
		transport string
		port      int
	}{{"UDP", 40000}, {"TCP", 41000}, {"WS", 42000}, {"WS", 42001}, {"WS", 42002}, {"TLS", 43000}, {"UDP", 40001}, {"UDP", 40002}, {"UDP", 40003}} {
		guess(way.transport, way.port, "1001", "1002", "1003")
		guess(way.transport, way.port, "1004")
		at = at.Add(5 * time.Minute)
		s.challenged(at, office)
	}
	if got := s.verdicts(); got != "password guessing 198.51.100.10" {
		t.Fatalf("%s", got)
	}
	flows := 0
	for _, b := range s.Partial.List(at) {
		if flows++; b.Incident != 1 {
			t.Errorf("%s is of incident %d", b.Target(), b.Incident)
		}
	}
	if flows == 0 || !strings.Contains(s.incidents[0].Steps[len(s.incidents[0].Steps)-1].Detail, "throttled") {
		t.Errorf("%d blocks: %s", flows, steps(s.incidents[0]))
	}
}

// Two phones with old passwords are two incidents, a day apart or not.
func TestAnotherStalePhoneIsAnotherIncident(t *testing.T) {
	s := sharing(t, accounts(5)...)
	s.registered(noon, accounts(5)...)
	s.hear(t, noon, over("TCP", guesses(40000, "1001", "1001", "1001")))
	later := noon.Add(2 * time.Hour)
	s.Prune(later)
	s.hear(t, later, over("TCP", guesses(41000, "1002", "1002", "1002")))
	if len(s.incidents) != 2 || s.incidents[1].Account != "1002" || s.guessesIn(t, 0) != 6 {
		t.Errorf("%s: %d guesses", s.verdicts(), s.guessesIn(t, 0))
	}
}

// Guesses that cross no threshold of their own belong to the incident: during a pause, in
// mode observe, and those that were on their way when the ban took effect.
func TestEveryGuessIsListed(t *testing.T) {
	observing := guessing(3)
	observing.Observe = true
	for name, tc := range map[string]struct {
		policy judge.Policy
		paused bool
		made   int
		every  time.Duration
		listed int
		says   string
	}{
		"a pause":                         {guessing(3), true, 6, time.Second, 6, ""},
		"a pause, and one more":           {guessing(3), true, 7, time.Second, 7, ""},
		"a slow guesser in a pause":       {guessing(3), true, 20, 2 * time.Minute, 20, ""},
		"mode observe":                    {observing, false, 6, time.Second, 6, ""},
		"what was on its way to Asterisk": {guessing(3), false, 6, time.Millisecond, 6, ""},
		"many guesses":                    {guessing(3), true, 300, 50 * time.Millisecond, 200, "; 100 more failed attempts came too fast, or were too many, to be listed"},
		"a flood of guesses":              {guessing(3), true, 300, 20 * time.Millisecond, 195, "; 105 more failed attempts came too fast, or were too many, to be listed"},
	} {
		s := newSite(t, tc.policy)
		if tc.paused {
			s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
		}
		at := noon
		for n := range tc.made {
			s.hear(t, at, over("TCP", failure("1001", thief, n)))
			if next := at.Add(tc.every); next.Truncate(time.Second) != at.Truncate(time.Second) {
				s.Watch(next)
			}
			at = at.Add(tc.every)
		}
		s.Watch(at.Add(time.Second))
		s.Watch(at.Add(countsWithin))
		if got := s.guessesIn(t, 0); got != tc.listed || len(s.incidents) != 1 {
			t.Errorf("%s: %d of %d listed, %d incidents", name, got, tc.made, len(s.incidents))
			continue
		}
		if i := s.incidents[0]; !strings.HasSuffix(i.Reason, tc.says) || !i.Evidence[0].At.Equal(noon) {
			t.Errorf("%s: since %s: %s", name, i.Evidence[0].At, i.Reason)
		}
	}
}

// countsWithin is how soon a reason says how many guesses are not listed.
const countsWithin = 15 * time.Second

// Whoever comes back after its ban has an incident that lists what is new and names the one
// before; so has one whose attack goes on after a pause.
func TestALaterIncidentListsWhatIsNew(t *testing.T) {
	for name, tc := range map[string]struct {
		paused bool
		made   int // before the second incident
	}{"after the ban": {false, 3}, "after a pause": {true, 5}} {
		s := newSite(t, guessing(3))
		if tc.paused {
			s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
		}
		s.hear(t, noon, over("TCP", failures("1001", thief, tc.made)))
		s.Watch(noon.Add(2 * time.Second))
		later := noon.Add(maintenance + time.Second)
		if tc.paused {
			s.Pause(decide.Pause{})
			later = noon.Add(maintenance / 2)
		}
		s.Prune(later)
		for n := range 3 {
			s.hear(t, later.Add(time.Duration(n)*time.Second), over("TCP", failure("1001", thief, 100+n)))
			s.Watch(later.Add(time.Duration(n)*time.Second + 500*time.Millisecond))
		}
		if len(s.incidents) != 2 || s.guessesIn(t, 0) != tc.made+3 || s.guessesIn(t, 1) != 3 {
			t.Errorf("%s: %d of %d guesses, %s", name, s.guessesIn(t, 0), tc.made+3, s.verdicts())
		}
		if i := s.incidents[len(s.incidents)-1]; !strings.Contains(i.Reason, "incident 1 lists what came before") {
			t.Errorf("%s: %s", name, i.Reason)
		}
	}
}

// A break-in lists the guesses that make it one, although an incident about them came
// before.
func TestBreakInListsItsGuessesAgain(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, over("TCP", failures("1002", thief, 4)))
	s.hear(t, noon.Add(10*time.Minute), over("TCP", strings.ReplaceAll(success("1002", thief), "/5060", "/5061")))
	if got := s.verdicts(); got != "password guessing 192.0.2.66, break-in 1002" || s.guessesInAny(1) != 4 {
		t.Errorf("%s: %d guesses", got, s.guessesInAny(1))
	}
}

func (s *site) guessesInAny(n int) (guesses int) {
	for _, e := range s.incidents[n].Evidence {
		if e.Signal.Failure() {
			guesses++
		}
	}
	return guesses
}

// A person who lifts what was done about a guesser gets no second incident about it.
func TestReleasedGuesserGoesOn(t *testing.T) {
	s := sharing(t, accounts(5)...)
	s.registered(noon, accounts(5)...)
	for n := range 4 {
		at := noon.Add(time.Duration(n) * 5 * time.Minute)
		s.hear(t, at, over("TCP", guesses(40000+n, "1001", "1002", "1003")))
		for _, b := range s.Partial.List(at) {
			s.Partial.Lift(b)
		}
		s.ClearScore(netip.MustParsePrefix(office + "/32"))
		s.Watch(at.Add(time.Second))
	}
	if len(s.incidents) != 1 {
		t.Errorf("%s", s.verdicts())
	}
}

// Whoever is released and comes back at once is another incident, and the first one does not
// count its guesses.
func TestReleasedAddressComesBack(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, over("TCP", failures("1001", thief, 3)))
	prefix := netip.MustParsePrefix(thief + "/32")
	s.Bans.Remove(prefix)
	s.ClearScore(prefix)
	s.hear(t, noon.Add(2*time.Second), over("TCP", failures("1001", thief, 3)))
	s.Watch(noon.Add(3 * time.Second))
	s.Watch(noon.Add(countsWithin))
	if len(s.incidents) != 2 || s.guessesIn(t, 0) != 6 || strings.Contains(s.incidents[0].Reason, "too fast") {
		t.Errorf("%s: %d guesses, %s", s.verdicts(), s.guessesIn(t, 0), s.incidents[0].Reason)
	}
}

// What was guessed at one moment comes before the success of that moment, and in the order
// in which it arrived.
func TestOrderWithinOneMoment(t *testing.T) {
	p := guessing(1000)
	p.Log = true
	s := newSite(t, p)
	sees := func(kind event.Kind, session string) {
		s.Event(noon, intake.SensorAMI, &event.Event{
			Kind: kind, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte(session), At: noon,
			Remote: netip.MustParseAddrPort(thief + ":5060"), Transport: event.TCP,
		})
	}
	for n := range 5 {
		sees(event.InvalidPassword, fmt.Sprint("guess-", n))
	}
	sees(event.SuccessfulAuth, "right")
	if s.verdicts() != "break-in 1002" {
		t.Fatalf("%s", s.verdicts())
	}
	var order []string
	for _, e := range s.incidents[0].Evidence {
		order = append(order, e.Signal.String()+" "+e.Session)
	}
	want := []string{"InvalidPassword guess-0", "InvalidPassword guess-1", "InvalidPassword guess-2", "InvalidPassword guess-3", "InvalidPassword guess-4", "SuccessAfterFailures right"}
	if !slices.Equal(order, want) {
		t.Errorf("%q", order)
	}
}
