package judge_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
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
	s.calls(t, noon.Add(time.Hour), newPlace, "PJSIP/1002-00000001", cook)
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
