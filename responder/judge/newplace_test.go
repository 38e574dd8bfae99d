package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// The incident says why an address is on probation.
func TestReasonForProbation(t *testing.T) {
	const last = "; then the extension was used from 192.0.2.90, a new address: its owner's, or a thief's"
	for name, tc := range map[string]struct {
		events, want string
	}{
		"others guessed":              {guessedAt("1002") + success("1002", newPlace), "somebody guessed at the password (4 wrong passwords from 2 addresses)"},
		"a colleague and it mistyped": {over("TCP", failures("1003", newPlace, 2)+failures("1002", newPlace, 2)) + success("1002", newPlace), "wrong passwords for other extensions came from the same address"},
		"a phone with a wrong one":    {failures("1002", newPlace, 4) + success("1002", newPlace), "wrong passwords came from the same address, of a phone with a wrong one or of a guesser"},
		"it failed for another one":   {failures("1003", newPlace, 4) + success("1002", newPlace), "wrong passwords for other extensions came from the same address"},
	} {
		s := owned(t, suspecting())
		s.hear(t, noon, tc.events)
		if len(s.incidents) != 1 || s.incidents[0].Reason != tc.want+last {
			t.Errorf("%s: %+v", name, s.incidents)
		}
		s.calls(t, noon.Add(time.Hour), newPlace, "PJSIP/1002-00000001", premium)
		second := tc.want + "; then the extension was used from 192.0.2.90, a new address, and then: a call to " + premium + ", forbidden (premium)"
		if got := s.incidents[len(s.incidents)-1].Reason; !strings.HasPrefix(got, second) {
			t.Errorf("%s: second sign: %s, want %s", name, got, second)
		}
	}
}

// A break-in by somebody who tried several extensions counts all these tries.
func TestReasonForBreakInAtSeveral(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, over("TCP", failures("1001", newPlace, 1)+failures("1003", newPlace, 2)+failures("1002", newPlace, 1))+success("1002", newPlace))
	const want = "1 login with the right password from 192.0.2.90 within 1h; after 1 failed login from unknown addresses; after 3 failed logins to other extensions from this address"
	if len(s.incidents) != 1 || s.incidents[0].Reason != want {
		t.Errorf("%+v, want %s", s.incidents, want)
	}
}

// told are the incidents that people get a message about.
func (s *site) told() string {
	var names []string
	for _, i := range s.incidents {
		for _, step := range i.Steps {
			if step.Step == incident.StepNotify && step.State == incident.Intended {
				names = append(names, i.Key.Value()+" by "+i.Threshold)
			}
		}
	}
	return strings.Join(names, ", ")
}

// One message a day tells of new addresses, and names those of which none did. The costs of
// all are limited at once, and a call that costs is told of at once.
func TestOneMessageADayAboutNewPlaces(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		want string
	}{
		"an hour later": {func(*testing.T, *site) {}, "1001 by new place"},
		"an ordinary call": {func(t *testing.T, s *site) {
			s.calls(t, noon.Add(2*time.Hour), newPlace, "PJSIP/1002-00000001", domestic)
		}, "1001 by new place"},
		"a call that costs": {func(t *testing.T, s *site) {
			s.calls(t, noon.Add(2*time.Hour), newPlace, "PJSIP/1002-00000001", france)
		}, "1001 by new place, 1002 by new place"},
		"another one": {func(t *testing.T, s *site) { s.dials(t, newPlace, "PJSIP/1002-00000001", france, france) }, "1001 by new place, 1002 by new place"},
		"a forbidden one": {func(t *testing.T, s *site) {
			s.calls(t, noon.Add(2*time.Hour), newPlace, "PJSIP/1002-00000001", premium)
		}, "1001 by new place, 1002 by break-in"},
		"a day later": {func(t *testing.T, s *site) {
			s.hear(t, noon.Add(25*time.Hour), guessedAt("1003")+success("1003", newPlace))
		}, "1001 by new place, 1003 by new place"},
	} {
		t.Run(name, func(t *testing.T) {
			p := suspecting()
			p.Playbooks["compromise"] = append(p.Playbooks["compromise"], incident.StepNotify)
			s := owned(t, p)
			s.hear(t, noon.Add(-2*time.Hour), guessedAt("1001")+success("1001", "192.0.2.91"))
			s.hear(t, noon.Add(-time.Hour), guessedAt("1002")+success("1002", newPlace))
			tc.do(t, s)
			if got := s.told(); got != tc.want {
				t.Errorf("told of %s, want %s", got, tc.want)
			}
			last := s.incidents[len(s.incidents)-1]
			if lists := strings.HasSuffix(last.Reason, "; on probation since the last message, too: 1002 from "+newPlace); lists != (name == "a day later") {
				t.Errorf("the last message: %s", last.Reason)
			}
			if _, limited := s.Contain.Costs.Of("1002"); !limited {
				t.Error("the costs are not limited")
			}
		})
	}
}

// People who heard of one address of an account hear of the next one, too: by the next
// message, or at once when it calls where the owner does not.
func TestSecondNewPlaceOfTheWeek(t *testing.T) {
	const thiefs, day = "203.0.113.200", 24 * time.Hour
	for name, tc := range map[string]struct {
		number string // that is called from there; "" is none
		want   string
	}{
		"no call":             {"", "1002 by new place"},
		"a country as before": {france, "1002 by new place"},
		"a new country":       {cook, "1002 by new place, 1002 by new place"},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
			s.hear(t, noon.Add(2*day), success("1002", thiefs))
			if tc.number != "" {
				s.calls(t, noon.Add(2*day+time.Hour), thiefs, "PJSIP/1002-00000001", tc.number)
			}
			if got := s.told(); got != tc.want {
				t.Errorf("told of %s, want %s", got, tc.want)
			}
			s.hear(t, noon.Add(3*day), guessedAt("1003")+success("1003", "192.0.2.91"))
			last := s.incidents[len(s.incidents)-1].Reason
			if names := strings.HasSuffix(last, "; on probation since the last message, too: 1002 from "+thiefs); names != (tc.number != cook) {
				t.Errorf("the last message: %s", last)
			}
		})
	}
}
