package judge_test

import (
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
