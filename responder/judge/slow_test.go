package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// patient is a policy that looks at days alone.
func patient() judge.Policy {
	p := guessing(1000)
	at := func(name string, per score.Per, signal score.Signal, playbook string) {
		p.Thresholds = append(p.Thresholds, score.Threshold{Name: name, Per: per, Points: map[score.Signal]int{signal: 1}, Score: 1, Within: time.Hour, Playbook: playbook})
	}
	at("guessing for days", score.PerSource, score.SlowGuesser, "block")
	at("network guesses for days", score.PerNetwork, score.SlowNetwork, "block")
	at("guessing campaign", score.PerSite, score.GuessingCampaign, "tell")
	p.Playbooks["tell"] = []incident.StepKind{incident.StepNotify}
	return p
}

// phones are failures of accounts from 1001 on at one address.
func phones(n int, source string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(failures(fmt.Sprint(1001+i), source, 1))
	}
	return b.String()
}

func TestSlowGuessing(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(s *site)
		events string
		want   string
	}{
		"four extensions from one address": {nil, over("TCP", phones(4, thief)), "192.0.2.66/32 all #1"},
		"over UDP, unproven":               {nil, phones(4, thief), "192.0.2.66/32 sip #0"},
		"three extensions":                 {nil, over("TCP", phones(3, thief)), ""},
		"three of them are used there": {func(s *site) {
			for i := range 3 {
				s.Places.Know(fmt.Sprint(1001+i), netip.MustParseAddr(thief), noon)
			}
		}, over("TCP", phones(4, thief)), ""},
		"their passwords were changed": {func(s *site) {
			for i := range 40 {
				s.PasswordChanged(noon, fmt.Sprint(1001+i))
			}
		}, over("TCP", phones(40, thief)), ""},
		"a person has looked at the address": {func(s *site) {
			s.hear(t, noon.Add(-time.Hour), over("TCP", phones(3, thief)))
			s.ClearScore(netip.MustParsePrefix(thief + "/32"))
		}, over("TCP", strings.Replace(phones(4, thief), phones(3, thief), "", 1)), ""},
		"the addresses of a network": {nil, over("TCP", func() string {
			var b strings.Builder
			for i := range 8 {
				b.WriteString(failures(fmt.Sprint(1001+i), fmt.Sprintf("192.0.2.%d", 1+i), 1))
			}
			return b.String()
		}()), "192.0.2.0/24 all #1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, patient())
			if tc.before != nil {
				tc.before(s)
			}
			s.hear(t, noon, tc.events)
			if got := s.bans(noon.Add(time.Minute)); got != tc.want {
				t.Errorf("bans: %q, want %q", got, tc.want)
			}
			for _, i := range s.incidents {
				if !strings.Contains(i.Reason, "not used") || len(i.Evidence) < 5 {
					t.Errorf("%d records, %s", len(i.Evidence), i.Reason)
				}
			}
		})
	}
}
