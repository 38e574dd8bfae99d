package judge_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// probing is a policy with the default limits and thresholds about how numbers are dialled.
func probing() judge.Policy {
	p := guessing(10)
	p.Calls = calls.Rules{
		Dialling: numbers.Dialling{Country: "GB", Internal: 4},
		Limits:   calls.Limits{Rate: 10, Concurrent: 5, Gap: time.Second, Variants: 3, Destinations: calls.Destinations{Deny: []string{"satellite"}}},
	}
	compromise := func(name string, within time.Duration, points map[score.Signal]int) score.Threshold {
		return score.Threshold{Name: name, Per: score.PerAccount, Points: points, Score: 10, Within: within, Playbook: "compromise"}
	}
	p.Thresholds = append(p.Thresholds,
		compromise("toll fraud", time.Hour, map[score.Signal]int{
			score.CallRate: 5, score.ConcurrentCalls: 5, score.DialProbing: 4, score.ForbiddenDestination: 4, score.NewCountry: 2, score.NewNetwork: 2, score.TwoNetworks: 2,
		}),
		compromise("pace", 2*time.Minute, map[score.Signal]int{score.CallRate: 5, score.ConcurrentCalls: 5, score.Cadence: 3, score.DialProbing: 4}),
	)
	p.Playbooks["compromise"] = []incident.StepKind{incident.StepBan, incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations, incident.StepNotify}
	return p
}

// An owner at his own desk who cannot get through to a number keeps everything, however he
// dials it. A thief who looks for the prefix that gets through is contained.
func TestOneNumberInManyForms(t *testing.T) {
	forms := []string{"0068221234", "90068221234", "+68221234", "01168221234", "0068221234", "900068221234", "90168221234"}
	for name, tc := range map[string]struct {
		from    string
		every   time.Duration
		dialled []string
		before  func(t *testing.T, s *site)
		taken   bool
	}{
		"the owner at his desk":             {office, 20 * time.Second, forms[:4], nil, false},
		"in more forms":                     {office, 15 * time.Second, forms, nil, false},
		"for half an hour":                  {office, 4 * time.Minute, forms, nil, false},
		"from where it is not used":         {newPlace, 20 * time.Second, forms, nil, true},
		"as fast as a machine, at his desk": {office, 2 * time.Second, forms, nil, true},
		"and then other numbers":            {office, 20 * time.Second, append([]string{"0037160000000", "0023276000000", "00263770000000"}, forms[:4]...), nil, true},
		"two numbers, each in three forms": {office, 20 * time.Second, []string{
			"0068221234", "90068221234", "+68221234", "0037160000000", "90037160000000", "+37160000000", "77037160000000",
		}, nil, true},
		"after a guessed password, from there": {newPlace, 20 * time.Second, forms, func(t *testing.T, s *site) {
			s.hear(t, noon.Add(-time.Minute), over("TCP", failures("1002", newPlace, 4))+success("1002", newPlace))
		}, true},
		"while a thief may be using it, too": {office, 20 * time.Second, forms, func(t *testing.T, s *site) {
			s.hear(t, noon.Add(-time.Minute), guessedAt("1002")+success("1002", newPlace))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, probing())
			if tc.before != nil {
				tc.before(t, s)
			}
			s.effects()
			now := noon
			for n, number := range tc.dialled {
				channel := fmt.Sprintf("PJSIP/1002-%08x", n)
				s.calls(t, now, tc.from, channel, number)
				s.hangsUp(now.Add(time.Second), channel)
				now = now.Add(tc.every)
			}
			taken, told := false, 0
			for _, i := range s.incidents {
				for _, step := range i.Steps {
					intended := step.State == incident.Intended || step.State == incident.Done
					switch step.Step {
					case incident.StepRotate, incident.StepRemoveRegistrations:
						taken = taken || intended
					case incident.StepHangup, incident.StepBan:
						if intended && !tc.taken {
							t.Errorf("%s: %s", step.Step, i.Reason)
						}
					case incident.StepNotify:
						told++
					}
				}
			}
			if taken != tc.taken {
				t.Errorf("password changed: %v; %s", taken, s.verdicts())
			}
			if effects := s.effects(); !tc.taken && (told > 1 || s.judge.Stolen(now, "1002") || ended(effects)) {
				t.Errorf("%d messages, stolen %v, %s", told, s.judge.Stolen(now, "1002"), effects)
			}
		})
	}
}
