package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// Nothing ends a call for help, whatever holds for its extension, and no call that only
// looks like one gets through.
func TestCallsForHelp(t *testing.T) {
	const own, leg, satellite = "PJSIP/1002-00000001", "PJSIP/carrier-00000002", "00881612345678"
	for name, takes := range map[string]func(*site){
		"locked":              func(s *site) { s.Contain.Locks.Restore("1002", "") },
		"costs limited":       func(s *site) { s.Contain.Costs.BeginAttack(noon, "1002") },
		"waits for a person":  func(s *site) { s.Contain.Breaker.Wait(noon, "1002", []incident.StepKind{incident.StepRotate}) },
		"budget used up":      func(s *site) { s.Contain.Costs.BeginEverywhere(noon, "1002", noon.Add(time.Hour)) },
		"site's budget, too":  func(s *site) { s.Contain.Costs.BeginEverywhere(noon, contain.Site, noon.Add(time.Hour)) },
		"a break-in":          func(s *site) { s.hear(t, noon, breakIn("1002")) },
		"forbidden by prefix": func(*site) {},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range []struct {
				dialled, sent string
				ended         bool
			}{
				{"112", "112", false},
				{"999", "999", false},
				{"112", "08001111", false}, // where the dialplan sends it
				{"112", satellite, true},
				{satellite, satellite, true},
				{satellite, "112", true},
			} {
				p := outgoing()
				p.Calls.Dialling.Country = "GB"
				p.Calls.Limits.Destinations.Deny = []string{"satellite", "1", "99"}
				s := pbx(t, p)
				takes(s)
				s.short()
				s.effects()
				s.rings(noon, own, c.dialled)
				s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte(own), Exten: []byte(c.dialled), DestChannel: []byte(leg), DialString: []byte(c.sent + "@carrier")})
				if got := s.effects(); (got != "") != c.ended {
					t.Errorf("dialled %s, sent %s: %q", c.dialled, c.sent, got)
				}
				if names := s.Calls.Emergencies("1002"); (len(names) == 1) != (c.dialled != satellite && c.sent != satellite) {
					t.Errorf("dialled %s: spared %v", c.dialled, names)
				}
			}
		})
	}
}

// Only the leg to the emergency number is spared: not what a call for help becomes, and not
// another call of the same phone. It is not counted, and what follows it is.
func TestACallForHelpSparesNothingElse(t *testing.T) {
	const own, help, next, satellite = "PJSIP/1002-00000001", "PJSIP/carrier-00000002", "PJSIP/carrier-00000003", "00881612345678"
	dials := func(s *site, by, exten, channel, sent string) {
		s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte(by), Exten: []byte(exten), DestChannel: []byte(channel), DialString: []byte(sent + "@carrier")})
	}
	for name, then := range map[string]func(s *site){
		"transferred to a satellite": func(s *site) {
			s.sees(noon, event.Event{Kind: event.BlindTransfer, Channel: []byte(own), Exten: []byte(satellite), Result: []byte("Success"), DestChannel: []byte(help)})
			dials(s, help, satellite, next, satellite)
		},
		"the dialplan goes on to a satellite": func(s *site) { dials(s, own, satellite, next, satellite) },
		"and from 112 to a satellite":         func(s *site) { dials(s, own, "112", next, satellite) },
		"a fork to a satellite":               func(s *site) { dials(s, own, "112", next, satellite) },
		"redirected by whoever answers 112":   func(s *site) { dials(s, help, "112", next, satellite) },
		"a second call, to a satellite": func(s *site) {
			s.rings(noon, "PJSIP/1002-00000004", satellite)
			dials(s, "PJSIP/1002-00000004", satellite, next, satellite)
		},
		"a second call, rewritten": func(s *site) {
			s.rings(noon, "PJSIP/1002-00000004", "77")
			dials(s, "PJSIP/1002-00000004", "77", next, satellite)
		},
		"a call of another kind by its number": func(s *site) { dials(s, own, "1120088161234567", next, "00881612345678") },
	} {
		t.Run(name, func(t *testing.T) {
			p := outgoing()
			p.Calls.Dialling.Country = "GB"
			s := pbx(t, p)
			s.rings(noon, own, "112")
			dials(s, own, "112", help, "112")
			if got := s.effects(); got != "" || len(s.Calls.Emergencies("1002")) != 1 {
				t.Fatalf("the call for help: %s", got)
			}
			then(s)
			transferred := strings.HasPrefix(name, "transferred") // by the phone: the other side is no helper then
			if got := s.effects(); !strings.Contains(got, "end PJSIP/") || strings.Contains(got, "end "+help) != transferred {
				t.Errorf("ended: %s", got)
			}
		})
	}
}
