package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// fraud is a policy with the thresholds that a thief's calls cross at once.
func fraud() judge.Policy {
	p := guessing(3)
	p.Thresholds = append(p.Thresholds,
		score.Threshold{Name: "faster than a person dials", Per: score.PerAccount, Points: map[score.Signal]int{score.CallRate: 5, score.ConcurrentCalls: 5, score.Cadence: 3}, Score: 10, Within: 2 * time.Minute, Playbook: "compromise"},
		score.Threshold{Name: "toll fraud", Per: score.PerAccount, Points: map[score.Signal]int{score.ForbiddenDestination: 4, score.CallRate: 5, score.ConcurrentCalls: 5}, Score: 10, Within: time.Hour, Playbook: "compromise"},
		score.Threshold{Name: "forbidden destination", Per: score.PerAccount, Points: map[score.Signal]int{score.ForbiddenDestination: 1}, Score: 1, Within: time.Minute, Playbook: "end call"},
		score.Threshold{Name: "network takes turns", Per: score.PerNetwork, Points: p.Thresholds[0].Points, Score: 3, Within: time.Hour, Playbook: "block"},
		score.Threshold{Name: "account under attack", Per: score.PerAccount, Points: p.Thresholds[0].Points, Score: 3, Within: time.Hour, Playbook: "notify"},
	)
	p.Playbooks["compromise"] = append(p.Playbooks["compromise"], incident.StepNotify)
	p.Playbooks["end call"] = []incident.StepKind{incident.StepHangupCall, incident.StepNotify}
	p.Playbooks["notify"] = []incident.StepKind{incident.StepNotify}
	p.Calls = calls.Rules{Limits: calls.Limits{Rate: 2, Concurrent: 2, Gap: time.Second}}
	return p
}

// steps are the steps of an incident with their states.
func steps(i *incident.Incident) string {
	var list []string
	for _, s := range i.Steps {
		list = append(list, fmt.Sprintf("%s %s %s", s.Step, s.Target, s.State))
	}
	return strings.Join(list, ", ")
}

// Thresholds that the same events cross are one incident.
func TestOneEventIsOneIncident(t *testing.T) {
	for name, tc := range map[string]struct {
		play   func(t *testing.T, s *site)
		want   string // the incidents
		steps  string // of the first
		reason []string
	}{
		"a thief's calls": {
			func(_ *testing.T, s *site) {
				for n := range 3 {
					s.rings(noon.Add(time.Duration(n)*300*time.Millisecond), fmt.Sprintf("PJSIP/1002-%08x", n), "00491711234567")
				}
			},
			"faster than a person dials 1002", "ban  skipped, hangup 1002 intended, rotate 1002 intended, remove-registrations 1002 intended, notify operator intended",
			[]string{"; also toll fraud: "},
		},
		"the guesses and the break-in": {
			func(t *testing.T, s *site) {
				s.hear(t, noon, over("TCP", failures("1002", thief, 4)+success("1002", thief)))
			},
			"break-in 1002", "ban 192.0.2.66 intended, ban 192.0.2.0/24 intended, hangup 1002 intended, rotate 1002 intended, remove-registrations 1002 intended, notify operator intended",
			[]string{"1 login with the right password from 192.0.2.66 within 1h", "; after 4 failed logins from unknown addresses; also password guessing: 3 wrong passwords for 1002 within 1h"},
		},
		"an address, its network and the account at once": {
			func(t *testing.T, s *site) { s.hear(t, noon, over("TCP", failures("1002", thief, 3))) },
			"password guessing 192.0.2.66", "ban 192.0.2.66 intended, ban 192.0.2.0/24 intended",
			[]string{"; also network takes turns: "},
		},
		"the guesses of one, and the calls of another account": {
			func(t *testing.T, s *site) {
				s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
				for n := range 3 {
					s.rings(noon.Add(time.Duration(n+1)*300*time.Millisecond), fmt.Sprintf("PJSIP/1003-%08x", n), "00491711234567")
				}
			},
			"password guessing 192.0.2.66, faster than a person dials 1003", "ban 192.0.2.66 intended, ban 192.0.2.0/24 intended", nil,
		},
		"the guesses, and the owner's own calls": { // of the same account, but not the same events
			func(t *testing.T, s *site) {
				s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
				for n := range 3 {
					s.rings(noon.Add(time.Duration(n+1)*300*time.Millisecond), fmt.Sprintf("PJSIP/1002-%08x", n), "00491711234567")
				}
			},
			"password guessing 192.0.2.66, faster than a person dials 1002", "ban 192.0.2.66 intended, ban 192.0.2.0/24 intended", nil,
		},
		"two addresses that guess at one account": {
			func(t *testing.T, s *site) {
				s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
				s.hear(t, noon.Add(2*time.Second), over("TCP", failures("1002", "203.0.113.1", 3)))
			},
			"password guessing 192.0.2.66, password guessing 203.0.113.1", "ban 192.0.2.66 intended, ban 192.0.2.0/24 intended", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, fraud())
			tc.play(t, s)
			if got := s.verdicts(); got != tc.want {
				t.Fatalf("incidents: %s", got)
			}
			i := s.incidents[0]
			if got := steps(i); got != tc.steps {
				t.Errorf("steps: %s", got)
			}
			for _, part := range tc.reason {
				if !strings.Contains(i.Reason, part) {
					t.Errorf("%q is not in %q", part, i.Reason)
				}
			}
		})
	}
}

// Forbidden calls, one after the other, are one incident; the third makes the account a
// thief's, and people who were told of an ended call are told that.
func TestAnIncidentBecomesGraver(t *testing.T) {
	for _, delivered := range []bool{false, true} {
		p := fraud()
		p.Calls.Limits = calls.Limits{Destinations: calls.Destinations{Deny: []string{"satellite"}}}
		s := newSite(t, p)
		s.delivered = delivered
		for n := range 3 {
			channel := fmt.Sprintf("PJSIP/1002-%08x", n)
			s.rings(noon.Add(time.Duration(n)*20*time.Second), channel, "00881612345678")
			s.hangsUp(noon.Add(time.Duration(n)*20*time.Second+time.Second), channel)
		}
		if got := s.verdicts(); got != "toll fraud 1002" {
			t.Fatalf("incidents: %s", got)
		}
		i, messages := s.incidents[0], 0
		for _, step := range i.Steps {
			if step.Step == incident.StepNotify && step.State == incident.Intended {
				messages++
			}
		}
		if want := map[bool]int{false: 1, true: 2}[delivered]; messages != want {
			t.Errorf("delivered %t: %d messages, want %d: %s", delivered, messages, want, steps(i))
		}
		if began := i.Steps[len(i.Steps)-1].Began; delivered && !began.Equal(noon.Add(40*time.Second)) {
			t.Errorf("the last step began at %s", began)
		}
		if !strings.Contains(i.Reason, "also forbidden destination") || len(i.Evidence) != 4 { // the first one is to a new country, too
			t.Errorf("%s: %v", i.Reason, i.Evidence)
		}
	}
}

// Each guess is one row of evidence, in order of time, whatever tables keep it, and the
// first is the first.
func TestGuessesCountOnce(t *testing.T) {
	for _, made := range []int{4, 6, 20, 40} {
		p := fraud()
		p.Thresholds[0].Score, p.Thresholds[len(p.Thresholds)-2].Score, p.Thresholds[len(p.Thresholds)-1].Score = 1000, 1000, 1000
		s := newSite(t, p)
		s.hear(t, noon, over("TCP", failures("1002", thief, made)+success("1002", thief)))
		if s.verdicts() != "break-in 1002" {
			t.Fatalf("%d guesses: %s", made, s.verdicts())
		}
		i := s.incidents[0]
		guesses := 0
		for n, e := range i.Evidence {
			if e.Signal.Failure() {
				guesses++
			}
			if n > 0 && e.At.Before(i.Evidence[n-1].At) {
				t.Errorf("%d guesses: row %d is older than the one before", made, n)
			}
		}
		if want := min(made, 30); guesses < want || made <= 30 && guesses > want { // 30, and both successes
			t.Errorf("%d guesses: %d rows", made, guesses)
		}
		if !i.Evidence[0].At.Equal(noon) {
			t.Errorf("%d guesses: the first was at %s", made, i.Evidence[0].At)
		}
		if want := fmt.Sprintf("after %d failed logins from unknown addresses", made); !strings.Contains(i.Reason, want) {
			t.Errorf("%d guesses: %s", made, i.Reason)
		}
	}
}

// What the log reports again of the same guesses is not counted again.
func TestGuessesOfTwoSensorsCountOnce(t *testing.T) {
	p := guessing(3)
	p.Log = true
	s := newSite(t, p)
	sees := func(at time.Time, kind event.Kind, session string) {
		for n, sensor := range []intake.Sensor{intake.SensorAMI, intake.SensorLog} {
			s.Event(at.Add(time.Duration(n)*2*time.Millisecond), sensor, &event.Event{
				Kind: kind, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte(session), At: at,
				Remote: netip.MustParseAddrPort(thief + ":5060"), Transport: event.TCP,
			})
		}
	}
	for n := range 6 {
		sees(noon.Add(time.Duration(n)*200*time.Millisecond), event.InvalidPassword, fmt.Sprint("guess-", n))
	}
	sees(noon.Add(2*time.Second), event.SuccessfulAuth, "right")
	if got := s.verdicts(); got != "break-in 1002" {
		t.Fatalf("incidents: %s", got)
	}
	guesses := 0
	for _, e := range s.incidents[0].Evidence {
		if e.Signal.Failure() {
			guesses++
		}
	}
	if reason := s.incidents[0].Reason; guesses != 6 || !strings.Contains(reason, "after 6 failed logins") {
		t.Errorf("%d guesses: %s", guesses, reason)
	}
}
