package judge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
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

// What was set up in a pause and is still up when it ends, by itself or by a person, is judged
// as at a start; a call centre, a call for help and what ended meanwhile are left alone.
func TestCallsOfAPauseAreJudgedAtItsEnd(t *testing.T) {
	const own, leg = "PJSIP/1002-00000000", "PJSIP/carrier-00000001"
	type dialled struct{ number, sent string }
	twenty := make([]dialled, 20)
	eighty := make([]dialled, 80)
	for n := range eighty {
		eighty[n] = dialled{number: fmt.Sprintf("020794601%02d", n)}
		if n < 20 {
			twenty[n] = dialled{number: fmt.Sprintf("00372500100%02d", n)}
		}
	}
	for name, tc := range map[string]struct {
		calls   []dialled
		ends    bool // they end before the pause does
		breakIn bool
		want    string
	}{
		"forbidden":            {calls: []dialled{{number: cuba + "1"}}, want: "forbidden 1002"},
		"rewritten":            {calls: []dialled{{"77", cuba + "1"}}, want: "forbidden 1002"},
		"forbidden, and ended": {calls: []dialled{{number: cuba + "1"}}, ends: true},
		"a thief":              {calls: twenty, want: "toll fraud 1002"},
		"a call centre":        {calls: eighty},
		"a call for help":      {calls: []dialled{{"112", "112"}}},
		"within the country":   {calls: []dialled{{"02079460100", "02079460100"}}},
		"of a break-in":        {calls: []dialled{{number: "02079460100"}}, breakIn: true, want: "break-in 1002"},
	} {
		for _, byPerson := range []bool{true, false} {
			p := costing()
			p.Calls.Dialling.Country = "GB"
			p.Calls.Limits.Rate, p.Calls.Limits.Gap = 0, 0
			if tc.breakIn {
				q := guessing(3)
				p.Thresholds, p.Playbooks = append(p.Thresholds, q.Thresholds...), q.Playbooks
			}
			s := pbx(t, p)
			s.Pause(decide.Pause{Since: noon, Until: noon.Add(maintenance)})
			if tc.breakIn {
				s.hear(t, noon, breakIn("1002"))
			}
			at := noon.Add(time.Minute)
			for n, c := range tc.calls {
				name := fmt.Sprintf("PJSIP/1002-%08x", n)
				s.rings(at, name, c.number)
				if c.sent != "" {
					s.sees(at, event.Event{Kind: event.DialBegin, Channel: []byte(own), Exten: []byte(c.number), DestChannel: []byte(leg), DialString: []byte(c.sent + "@carrier")})
				}
				if tc.ends {
					s.sees(at, event.Event{Kind: event.Hangup, Channel: []byte(name)})
				}
			}
			if got := s.effects(); strings.Contains(got, "end ") {
				t.Errorf("%s: during the pause: %s", name, got)
			}
			s.incidents = nil
			after := noon.Add(30 * time.Minute)
			if byPerson {
				s.Resume(after)
			} else {
				after = noon.Add(maintenance)
				s.PauseOver(after)
			}
			if got := s.verdicts(); got != tc.want {
				t.Errorf("%s, by a person %v: %q, want %q; %s", name, byPerson, got, tc.want, s.effects())
			}
		}
	}
}
