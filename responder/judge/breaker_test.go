package judge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/numbers"
)

// limited is a policy that takes at most two accounts an hour from their owners.
func limited() judge.Policy {
	p := guessing(10)
	p.Breaker = contain.BreakerRule{Accounts: 2, Within: time.Hour}
	p.Playbooks["compromise"] = append(p.Playbooks["compromise"], incident.StepNotify)
	p.Calls = calls.Rules{Dialling: numbers.Dialling{Country: "GB", Internal: 4}, Learn: 14 * 24 * time.Hour}
	return p
}

// guessedFrom is a break-in from an address of its own.
func guessedFrom(account, source string) string {
	return over("TCP", failures(account, source, 4)+success(account, source))
}

func (s *site) states(n int) string {
	var words []string
	for _, step := range s.incidents[n].Steps {
		words = append(words, fmt.Sprintf("%s %s", step.Step, step.State))
	}
	return strings.Join(words, ", ")
}

// The passwords of a few accounts are changed; those of further ones wait for a person. Their
// addresses are banned and their calls ended all the same.
func TestBreakInsAtMoreThanAFewAccounts(t *testing.T) {
	s := newSite(t, limited())
	for n, account := range []string{"1001", "1002", "1003"} {
		s.hear(t, noon.Add(time.Duration(n)*time.Minute), guessedFrom(account, fmt.Sprintf("192.0.2.%d", n+1)))
	}
	const all = "ban intended, hangup intended, rotate intended, remove-registrations intended, notify intended"
	if got := s.states(0); got != all {
		t.Errorf("the first: %s", got)
	}
	if got := s.states(1); got != all {
		t.Errorf("the second: %s", got)
	}
	if got := s.states(2); got != "ban intended, hangup intended, rotate skipped, remove-registrations skipped, notify skipped" {
		t.Errorf("the third: %s", got)
	}
	if got := s.effects(); !strings.Contains(got, "1003 waits: rotate remove-registrations") || strings.Count(got, "waits") != 1 || strings.Count(got, "drop ") != 3 {
		t.Errorf("%s", got)
	}
	rotate := s.incidents[2].Steps[2]
	if !rotate.Instead || !strings.Contains(rotate.Detail, "2 extensions had a password change or a lock within 1h already (breaker.accounts)") {
		t.Errorf("%+v", rotate)
	}
	if list := s.Unstopped(noon.Add(3 * time.Minute)); len(list) > 0 {
		t.Errorf("calls are ended, yet the attack goes on: %+v", list)
	}
	// A person changes the password.
	s.PasswordChanged(noon.Add(4*time.Minute), "1003")
	if got := s.effects(); got != "1003 no longer waits" {
		t.Errorf("%s", got)
	}
}

// After an hour, or when a person lets it go on, the next break-in at an account has its
// password changed again, also if it waited.
func TestBreakerClosesAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		resume bool
		after  time.Duration
		want   string
	}{
		"within the hour":        {false, 30 * time.Minute, "rotate skipped"},
		"after an hour":          {false, 2 * time.Hour, "rotate intended"},
		"a person lets it go on": {true, 30 * time.Minute, "rotate intended"},
	} {
		s := newSite(t, limited())
		for n, account := range []string{"1001", "1002", "1003"} {
			s.hear(t, noon, guessedFrom(account, fmt.Sprintf("192.0.2.%d", n+1)))
		}
		if tc.resume {
			s.Resume(noon.Add(time.Minute))
		}
		s.hear(t, noon.Add(tc.after), success("1003", "203.0.113.77")) // the thief has moved
		if got := s.states(len(s.incidents) - 1); len(s.incidents) != 4 || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s, %s", name, s.verdicts(), got)
		}
		if waits := s.Contain.Breaker.Waits("1003"); waits != strings.Contains(tc.want, "skipped") {
			t.Errorf("%s: 1003 waits: %t", name, waits)
		}
	}
}

// Of an account that waits, calls end that may cost much, for as long as it waits; its owner's
// other calls go on, so that many accounts that wait do not silence the site.
func TestCallsOfAnAccountThatWaits(t *testing.T) {
	for dialled, ended := range map[string]bool{
		"1001": false, "999": false, "02079460001": false,
		"00881612345678": true, "0053712345678": true, "09098790001": true,
	} {
		s := newSite(t, limited())
		for n, account := range []string{"1001", "1002", "1003"} {
			s.hear(t, noon, guessedFrom(account, fmt.Sprintf("192.0.2.%d", n+1)))
		}
		later := noon.Add(3 * time.Hour)
		s.Contain.Sessions.Finish(noon, "1003")
		s.effects()
		s.rings(later, "PJSIP/1003-00000001", dialled)
		s.rings(later, "PJSIP/carrier-00000002", dialled)
		if got := s.effects(); (got == "end PJSIP/1003-00000001") != ended {
			t.Errorf("a call to %s: %q", dialled, got)
		}
		s.sees(later, event.Event{Kind: event.BlindTransfer, Channel: []byte("PJSIP/1003-00000003"), Exten: []byte(dialled), Result: []byte("Success"), DestChannel: []byte("PJSIP/carrier-00000004")})
		if got := s.effects(); strings.Contains(got, "end PJSIP/carrier-00000004") != ended {
			t.Errorf("a transfer to %s: %q", dialled, got)
		}
		s.ForgetAttack("1003")
		s.effects()
		s.rings(later, "PJSIP/1003-00000005", dialled)
		if got := s.effects(); got != "" {
			t.Errorf("a call to %s when a person has dealt with it: %q", dialled, got)
		}
	}
}

// A replay and mode observe say what would have happened, and nothing waits.
func TestBreakerInModeObserve(t *testing.T) {
	p := limited()
	p.Observe = true
	s := newSite(t, p)
	for n, account := range []string{"1001", "1002", "1003"} {
		s.hear(t, noon, guessedFrom(account, fmt.Sprintf("192.0.2.%d", n+1)))
	}
	if got := s.incidents[1].Steps[2].Detail; got != "mode is observe: would change the secret of 1002" {
		t.Errorf("the second: %s", got)
	}
	if got := s.incidents[2].Steps[2].Detail; !strings.Contains(got, incident.WaitsForPerson) || s.Contain.Breaker.Waits("1003") {
		t.Errorf("the third: %s", got)
	}
}
