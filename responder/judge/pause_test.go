package judge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

const maintenance = time.Hour

func paused(t *testing.T) *site {
	p := guessing(3)
	p.Playbooks["compromise"] = append(p.Playbooks["compromise"], incident.StepNotify)
	s := newSite(t, p)
	s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
	return s
}

// A guesser in a pause is recorded once, and not banned; with its next guess after the pause
// it is.
func TestGuesserInAPause(t *testing.T) {
	s := paused(t)
	s.hear(t, noon, over("TCP", failures("1001", thief, 12)))
	if got := s.effects(); got != "record password guessing 192.0.2.66" {
		t.Errorf("during the pause: %s", got)
	}
	i := s.incidents[0]
	if i.Mode != incident.Paused || i.Steps[0].State != incident.Skipped || !strings.HasPrefix(i.Steps[0].Detail, "paused: would ban 192.0.2.66 ") {
		t.Errorf("%s %+v", i.Mode, i.Steps)
	}
	if got := s.bans(noon); got != "" {
		t.Errorf("bans: %s", got)
	}
	after := noon.Add(maintenance + time.Minute)
	s.Pause(decide.Pause{})
	s.hear(t, noon.Add(30*time.Minute), over("TCP", failure("1001", thief, 99)))
	if got := s.effects(); !strings.HasPrefix(got, "drop 192.0.2.66 ") {
		t.Errorf("after the pause: %s", got)
	}
	s.hear(t, after, over("TCP", failure("1001", "192.0.2.99", 1)))
	if got := s.effects(); got != "" {
		t.Errorf("somebody else after the pause: %s", got)
	}
}

// A break-in in a pause is told, and changes nothing. It is acted on when the thief signs in
// again, or the account calls, and not before; a pause ends by itself.
func TestBreakInInAPause(t *testing.T) {
	for name, tc := range map[string]struct {
		after time.Duration
		event func(s *site, at time.Time)
		acts  bool
	}{
		"the thief signs in again": {2 * time.Hour, func(s *site, at time.Time) { s.hear(t, at, success("1002", thief)) }, true},
		"a call of the account":    {2 * time.Hour, func(s *site, at time.Time) { s.rings(at, "PJSIP/1002-00000001", "0044123") }, true},
		"still paused":             {30 * time.Minute, func(s *site, at time.Time) { s.rings(at, "PJSIP/1002-00000001", "0044123") }, false},
		"the owner's phone":        {2 * time.Hour, func(s *site, at time.Time) { s.hear(t, at, success("1002", office)) }, false},
		"another account":          {2 * time.Hour, func(s *site, at time.Time) { s.rings(at, "PJSIP/1003-00000001", "0044123") }, false},
		"two days later":           {48 * time.Hour, func(s *site, at time.Time) { s.Prune(at); s.rings(at, "PJSIP/1002-00000001", "0044123") }, false},
		"the password was changed": {2 * time.Hour, func(s *site, at time.Time) {
			s.PasswordChanged(at, "1002")
			s.rings(at, "PJSIP/1002-00000001", "0044123")
		}, false},
	} {
		s := paused(t)
		s.hear(t, noon.Add(-time.Second), success("1002", office))
		s.hear(t, noon, breakIn("1002"))
		if got := s.effects(); got != "record break-in 1002" {
			t.Errorf("%s: during the pause: %s", name, got)
		}
		if got := s.states(0); got != "ban skipped, hangup skipped, rotate skipped, remove-registrations skipped, notify intended" {
			t.Errorf("%s: %s", name, got)
		}
		tc.event(s, noon.Add(tc.after))
		if acted := len(s.incidents) == 2 && s.states(1) == "ban intended, hangup intended, rotate intended, remove-registrations intended, notify intended"; acted != tc.acts || !acted && len(s.incidents) > 1 {
			t.Errorf("%s: %s, %s", name, s.verdicts(), s.effects())
		}
	}
}

// Bans in force stay during a pause, and are not made longer.
func TestBansInAPause(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, failures("1001", thief, 3))
	before := s.bans(noon)
	s.effects()
	s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
	s.challenged(noon.Add(time.Minute), thief)
	s.hear(t, noon.Add(time.Minute), failures("1001", thief, 5))
	if got := s.bans(noon.Add(2 * time.Minute)); got != before || before == "" {
		t.Errorf("%q, before the pause %q", got, before)
	}
	if got := s.effects(); strings.Contains(got, "drop") || strings.Contains(got, "promote") {
		t.Errorf("%s", got)
	}
}

// A pause ends once, by itself or by a person.
func TestEndOfAPause(t *testing.T) {
	s := paused(t)
	if _, over := s.PauseOver(noon.Add(time.Minute)); over {
		t.Error("it is over at once")
	}
	if was, over := s.PauseOver(noon.Add(2 * maintenance)); !over || !was.Since.Equal(noon) {
		t.Errorf("it has not ended by itself: %+v", was)
	}
	if _, over := s.PauseOver(noon.Add(2 * maintenance)); over {
		t.Error("it ends twice")
	}
	s = paused(t)
	if _, was := s.Resume(noon.Add(time.Minute)); !was {
		t.Error("resume ends no pause")
	}
	if _, on := s.Paused(noon.Add(time.Minute)); on {
		t.Error("it is still paused")
	}
	if _, was := s.Resume(noon.Add(time.Minute)); was {
		t.Error("resume ends it twice")
	}
}

// What is remembered of a pause is bounded.
func TestPauseUnderAFlood(t *testing.T) {
	s := paused(t)
	for n := range 4200 {
		s.hear(t, noon, over("TCP", failures("1001", fmt.Sprintf("10.0.%d.%d", n/250, n%250+1), 3)))
	}
	if n := s.Missed(); n == 0 || n > 4096 {
		t.Errorf("%d verdicts are remembered", n)
	}
}
