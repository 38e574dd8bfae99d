package judge_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Whoever turns up during a pause is on probation, too: afterwards the costly calls from
// there end, with the first one, unless a person has said whose the address is.
func TestNewPlaceInAPause(t *testing.T) {
	const own = "PJSIP/1002-00000001"
	after := noon.Add(maintenance + time.Minute)
	for name, tc := range map[string]struct {
		do   func(s *site)
		ends bool
	}{
		"a costly call":          {func(s *site) { s.calls(t, after, newPlace, own, france) }, true},
		"a call without a login": {func(s *site) { s.rings(after, own, france) }, true},
		"a call that costs little, and then one": {func(s *site) {
			s.calls(t, after, newPlace, "PJSIP/1002-00000002", domestic)
			s.calls(t, after.Add(time.Minute), newPlace, own, france)
		}, true},
		"still paused": {func(s *site) { s.calls(t, noon.Add(time.Minute), newPlace, own, france) }, false},
		"a person has decided": {func(s *site) {
			if _, err := s.Trust(after, "1002", netip.MustParseAddr(newPlace)); err != nil {
				t.Error(err)
			}
			s.calls(t, after.Add(time.Minute), newPlace, own, france)
		}, false},
	} {
		s := owned(t, suspecting())
		s.Pause(decide.Pause{Since: noon.Add(-time.Minute), Until: noon.Add(maintenance)})
		s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
		if got := s.effects(); got != "record new place 1002" || len(s.holds) != 1 {
			t.Errorf("%s: during the pause: %s, %v", name, got, s.holds)
		}
		tc.do(s)
		if got := s.effects(); strings.Contains(got, "end "+own) != tc.ends {
			t.Errorf("%s: %s", name, got)
		}
		limit, limited := s.Contain.Costs.Of("1002")
		if limited != tc.ends || limited && limit.Incident != 2 {
			t.Errorf("%s: limited %t, %+v", name, limited, limit)
		}
	}
}

// During a pause a phone with a wrong password, beside others, is recorded once.
func TestStalePhoneInAPause(t *testing.T) {
	s := sharing(t, "1001", "1002")
	s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
	for minute := range 30 {
		s.hear(t, noon.Add(time.Duration(minute)*time.Minute), over("TCP", guesses(40000, "1001", "1001", "1001")))
	}
	if len(s.incidents) != 1 {
		t.Errorf("%d incidents: %s", len(s.incidents), s.verdicts())
	}
	s.effects()
	s.hear(t, noon.Add(maintenance+time.Minute), over("TCP", guesses(40000, "1001")))
	if got := s.effects(); !strings.Contains(got, "drop the connection 198.51.100.10:40000") {
		t.Errorf("after the pause: %s", got)
	}
}

// What a thief's address is, is decided: nobody is asked to trust it.
func TestThiefIsNotOnProbation(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	s.calls(t, noon.Add(time.Hour), newPlace, "PJSIP/1002-00000001", premium)
	later := noon.Add(2 * time.Hour)
	if list := s.Places.Probations("1002", later); len(list) > 0 {
		t.Errorf("on probation: %+v", list)
	}
	if _, kept := s.holds["1002 probation"]; kept {
		t.Errorf("kept: %v", s.holds)
	}
	if detail, err := s.Trust(later, "1002", netip.MustParseAddr(newPlace)); err == nil || !strings.Contains(err.Error(), "a break-in on 1002 came from") {
		t.Errorf("trust: %q, %v", detail, err)
	}
}

// What a person reports is done at once: a limit of costs too, during a pause too, and
// beyond the limit of the breaker.
func TestPersonReportsABreakIn(t *testing.T) {
	p := limited()
	p.Playbooks["compromise"] = append(p.Playbooks["compromise"], incident.StepLimitCosts)
	s := newSite(t, p)
	s.hear(t, noon, guessedFrom("1001", "192.0.2.1")+guessedFrom("1002", "192.0.2.2")+guessedFrom("1003", "192.0.2.3"))
	s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
	s.effects()
	if _, err := s.Compromise(noon.Add(time.Minute), "1003"); err != nil {
		t.Fatal(err)
	}
	if got := s.effects(); !strings.Contains(got, "1003 no longer waits") {
		t.Errorf("%s", got)
	}
	if got := s.states(len(s.incidents) - 1); got != "ban intended, hangup intended, rotate skipped, remove-registrations skipped, notify skipped, limit-costs done, rotate intended, remove-registrations intended" {
		t.Errorf("%s", got)
	}
	if _, limited := s.Contain.Costs.Of("1003"); !limited {
		t.Error("its costs are not limited")
	}
}

// That somebody has to decide about a new address is worth another message, also when one
// about the guesses has just been sent.
func TestNewPlaceJoinsTheGuesses(t *testing.T) {
	p := suspecting()
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "distributed guessing", Per: score.PerAccount, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 4, Within: time.Hour, Playbook: "restrict",
	})
	p.Playbooks["restrict"] = []incident.StepKind{incident.StepRestrict, incident.StepNotify}
	s := owned(t, p)
	s.delivered = true
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	if len(s.incidents) != 1 || s.incidents[0].Threshold != "new place" {
		t.Fatalf("%s", s.verdicts())
	}
	messages := slices.DeleteFunc(slices.Clone(s.incidents[0].Steps), func(s incident.Step) bool { return s.Step != incident.StepNotify })
	if len(messages) != 2 {
		t.Errorf("%d messages: %s", len(messages), s.states(0))
	}
}

// The end of a closing is said once, as that of any block.
func TestEndOfAClosing(t *testing.T) {
	s := sharing(t, "1001", "1002", "1003")
	s.registered(noon, "1001", "1002")
	for port := 40000; port < 40004; port++ {
		s.hear(t, noon, over("WSS", guesses(port, "1001", "1002", "1003")))
	}
	s.Partial.ClosingAcknowledged(netip.MustParsePrefix(office+"/32"), nil)
	for _, minutes := range []time.Duration{5, 11, 12, 90} {
		s.Prune(noon.Add(minutes * time.Minute))
	}
	got := slices.DeleteFunc(s.partial, func(change string) bool { return !strings.HasPrefix(change, office+" ") })
	if !slices.Equal(got, []string{office + " closed", office + " ended"}) {
		t.Errorf("%q", got)
	}
}

// Where nothing can be throttled, the address that nearly all phones are behind is closed
// for a time to whoever guesses there, also while no phone vouches for it.
func TestFrontWithoutPhonesIsClosed(t *testing.T) {
	s := sharing(t, accounts(6)...)
	s.Partial.CannotThrottle()
	s.registered(noon, accounts(6)...)
	for _, a := range accounts(6) {
		s.PasswordChanged(noon, a)
	}
	s.SetContacts(noon, nil, nil)
	s.challenged(noon, office)
	s.effects()
	s.hear(t, noon.Add(time.Minute), guesses(40000, "8001", "8002", "8003"))
	if got := s.effects(); !strings.Contains(got, "suspect 198.51.100.10 for 10m0s,") {
		t.Errorf("%s", got)
	}
}
