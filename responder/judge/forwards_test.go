package judge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// signs is a policy for the signs around calls, as the defaults have them.
func signs() judge.Policy {
	p := guessing(10)
	p.Calls = calls.Rules{
		Dialling: numbers.Dialling{Country: "GB", Internal: 4},
		Risky:    func(country string) bool { return country == "RO" },
	}
	add := func(name string, per score.Per, needed int, within time.Duration, playbook string, points map[score.Signal]int) {
		p.Thresholds = append(p.Thresholds, score.Threshold{Name: name, Per: per, Points: points, Score: needed, Within: within, Playbook: playbook})
	}
	add("forward", score.PerAccount, 1, time.Minute, "tell", map[score.Signal]int{score.CostlyForward: 1})
	add("one number", score.PerSite, 1, time.Hour, "tell", map[score.Signal]int{score.SharedNumber: 1})
	add("toll fraud", score.PerAccount, 10, time.Hour, "compromise", map[score.Signal]int{
		score.NewCountry: 2, score.SequentialNumbers: 4, score.TestCalls: 3, score.EarlyMedia: 3, score.CostlyForward: 2,
	})
	p.Playbooks["tell"] = []incident.StepKind{incident.StepNotify}
	return p
}

// A forward to a costly number brings a message before anybody calls, which says whose it
// is and where it leads, and nothing else: the extension keeps its calls and its password.
func TestForwardToACostlyNumber(t *testing.T) {
	s := newSite(t, signs())
	if stood := s.SetForwards(noon, []calls.Forward{{Account: "1003", Which: "all calls", Number: romania}}); len(stood) != 1 || s.verdicts() != "" {
		t.Fatalf("at the first look: %v, %s", stood, s.verdicts())
	}
	list := []calls.Forward{{Account: "1002", Which: "all calls", Number: romania}, {Account: "1001", Which: "calls while busy", Number: "07700900123"}}
	for i := range 5 {
		s.SetForwards(noon.Add(time.Duration(i+1)*30*time.Second), list)
	}
	if got, want := s.verdicts(), "forward 1002"; got != want {
		t.Fatalf("incidents %q, want %q", got, want)
	}
	i := s.incidents[0]
	if !strings.Contains(i.Reason, "all calls of 1002 are forwarded to "+romania+", international (Romania)") || len(i.Steps) != 1 || i.Steps[0].Step != incident.StepNotify {
		t.Errorf("%q with %+v", i.Reason, i.Steps)
	}
	if got := s.effects(); strings.Contains(got, "end ") || strings.Contains(got, "drop ") {
		t.Errorf("more than a message: %s", got)
	}
}

// Four costly numbers in a row and two more treat the extension as stolen; one number from
// many extensions brings one message.
func TestSignsAroundCalls(t *testing.T) {
	dial := func(s *site, account, number string, n int) {
		at := noon.Add(time.Duration(n) * time.Minute)
		channel := fmt.Sprintf("PJSIP/%s-%08x", account, n)
		s.rings(at, channel, number)
		s.sees(at, event.Event{Kind: event.Newstate, Channel: []byte(channel), ChannelState: event.StateUp})
		s.hangsUp(at.Add(10*time.Second), channel)
	}
	accounts := func(s *site) {
		list := []calls.Account{{Name: "carrier"}}
		for i := range 10 {
			list = append(list, calls.Account{Name: fmt.Sprint(1001 + i), Login: true})
		}
		s.Calls.List(list)
	}
	for _, tc := range []struct {
		name, want string
		run        func(s *site)
	}{
		{"a thief dials a range", "toll fraud 1002", func(s *site) {
			for n := range 7 {
				dial(s, "1002", fmt.Sprintf("00402112345%02d", n), n)
			}
		}},
		{"a thief has ten extensions call one number", "one number site", func(s *site) {
			for n := range 10 {
				dial(s, fmt.Sprint(1001+n), romania, n)
			}
		}},
		{"a call centre", "", func(s *site) {
			for n := range 40 {
				dial(s, "1002", fmt.Sprintf("0207946%04d", n), n)
			}
		}},
		{"an office and its conference bridge", "", func(s *site) {
			for n := range 10 {
				dial(s, fmt.Sprint(1001+n), "02079460999", n)
			}
		}},
		{"a fax machine", "", func(s *site) {
			for n := range 20 {
				dial(s, "1002", romania, n)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, signs())
			accounts(s)
			tc.run(s)
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}
