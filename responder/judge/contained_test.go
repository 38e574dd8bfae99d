package judge_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
)

// carriedOut says that every step of an incident that was intended is done.
func (s *site) carriedOut(i *incident.Incident) {
	for n := range i.Steps {
		if i.Steps[n].State == incident.Intended {
			i.Steps[n].State = incident.Done
		}
	}
}

// What a person reports twice within the hour is one incident, and one new password; so is
// a break-in that was seen and that a person then reports.
func TestReportedTwice(t *testing.T) {
	thieving := func(s *site) { s.hear(t, noon, over("TCP", failures("1002", thief, 4)+success("1002", thief))) }
	reporting := func(s *site) {
		if detail, err := s.Compromise(noon, "1002"); err != nil || detail != "" {
			t.Errorf("%q, %v", detail, err)
		}
	}
	for name, tc := range map[string]struct {
		first     func(s *site)
		before    func(s *site, i *incident.Incident)
		after     time.Duration
		incidents int
		rotations int
		says      string
	}{
		"reported":        {reporting, nil, 10 * time.Minute, 1, 1, "this joins incident 1, which has treated 1002 as compromised since 2026-11-22 12:00:00 UTC: nothing is done again; `tollwarden rotate 1002 --expire` changes"},
		"seen":            {thieving, nil, 10 * time.Minute, 1, 1, "this joins incident 1, "},
		"after two hours": {reporting, nil, 2 * time.Hour, 2, 2, ""},
		"a step had failed": {reporting, func(_ *site, i *incident.Incident) {
			for n := range i.Steps {
				if i.Steps[n].Step == incident.StepRotate {
					i.Steps[n].State = incident.Failed
				}
			}
		}, 10 * time.Minute, 1, 2, ": what is missing is being done"},
		"the new password is known, too": {reporting, func(s *site, _ *incident.Incident) {
			s.PasswordChanged(noon.Add(time.Minute), "1002")
			s.Places.RestoreProbation(places.Probation{Account: "1002", Source: netip.MustParsePrefix(newPlace + "/32"), Since: noon.Add(5 * time.Minute), First: noon.Add(5 * time.Minute)})
		}, 10 * time.Minute, 0, 2, ": what is missing is being done"},
	} {
		s := owned(t, suspecting())
		tc.first(s)
		i := s.incidents[0]
		s.carriedOut(i)
		if tc.before != nil {
			tc.before(s, i)
		}
		s.Prune(noon.Add(tc.after))
		detail, err := s.Compromise(noon.Add(tc.after), "1002")
		if err != nil || !strings.Contains(detail, tc.says) || (tc.says == "") != (detail == "") {
			t.Errorf("%s: %q, %v", name, detail, err)
		}
		rotations := 0
		for _, i := range s.incidents {
			for _, step := range i.Steps {
				if step.Step == incident.StepRotate {
					rotations++
				}
			}
		}
		if tc.incidents != 0 && len(s.incidents) != tc.incidents || rotations != tc.rotations {
			t.Errorf("%s: %d incidents, %d changes of password: %s", name, len(s.incidents), rotations, s.verdicts())
		}
	}
}

// The incident about a new address says what became of the limit of costs.
func TestLimitThatIsOverIsSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(s *site, at time.Time)
		want string
	}{
		"nothing": {func(*site, time.Time) {}, "costly calls from unknown addresses are ended until 2026-12-22 12:00 UTC"},
		"trust": {func(s *site, at time.Time) {
			if _, err := s.Trust(at, "1002", netip.MustParseAddr(newPlace)); err != nil {
				t.Error(err)
			}
		}, "no longer: a person has said that 192.0.2.90 is the extension's own"},
		"a new password": {func(s *site, at time.Time) { s.PasswordChanged(at, "1002") }, "no longer: the password was changed"},
		"unlock":         {func(s *site, _ time.Time) { s.ForgetAttack("1002") }, "no longer: a person has unlocked the extension"},
	} {
		for _, after := range []time.Duration{10 * time.Second, 2 * time.Hour} {
			s := owned(t, suspecting())
			s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
			s.Prune(noon.Add(after))
			tc.do(s, noon.Add(after))
			if got := s.incidents[0].Steps[0].Detail; got != tc.want {
				t.Errorf("%s after %s: %s", name, after, got)
			}
		}
	}
}

// Whoever is trusted, or cannot be, is told how to lift what still blocks the address.
func TestTrustNamesWhatIsStillBlocked(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	s.calls(t, noon.Add(time.Hour), newPlace, "PJSIP/1002-00000001", premium)
	at := noon.Add(time.Hour + time.Minute)
	_, err := s.Trust(at, "1002", netip.MustParseAddr(newPlace))
	if ban, banned := s.Bans.Exact(at, netip.MustParsePrefix(newPlace+"/32")); !banned || err == nil || !strings.Contains(err.Error(), "; 192.0.2.90 is still blocked "+ban.UntilText()+": `tollwarden unban 192.0.2.90 --forgive` ends that") {
		t.Errorf("%v", err)
	}
}
