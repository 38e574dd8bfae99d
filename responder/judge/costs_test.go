package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// attackedAtNewPlace is a site whose extension 1002 many networks guess at, so that its costs
// are limited, and that then turns up at a new address.
func attackedAtNewPlace(t *testing.T) *site {
	t.Helper()
	s := owned(t, limitingAttacks())
	for n := range 12 {
		s.hear(t, noon, over("TCP", failure("1002", fmt.Sprintf("203.0.%d.66", n%6), n)))
	}
	s.hear(t, noon.Add(time.Minute), success("1002", newPlace))
	s.effects()
	return s
}

// limitingAttacks is suspecting, with a threshold that restricts an account under attack, or
// limits its costs if it travels.
func limitingAttacks() judge.Policy {
	p := suspecting()
	p.Restrict.Networks, p.Restrict.Quiet, p.Restrict.Lived = 5, time.Hour, 90*24*time.Hour
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "account under attack", Per: score.PerAccount, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 10, Within: 24 * time.Hour, Playbook: "limit",
	})
	p.Playbooks["limit"] = []incident.StepKind{incident.StepRestrict, incident.StepNotify}
	return p
}

// A person who vouches for a new address ends what was limited for it. What an attack
// limits stays, and is said.
func TestTrustDuringAnAttack(t *testing.T) {
	later := noon.Add(10 * time.Minute)
	s := attackedAtNewPlace(t)
	detail, err := s.Trust(later, "1002", netip.MustParseAddr(newPlace))
	if want := "192.0.2.90 is known for 1002 from now on; costly calls from unknown addresses are ended until the attack is over: `tollwarden unlock 1002` ends that at once"; err != nil || detail != want {
		t.Errorf("%q, %v\nwant %q", detail, err, want)
	}
	s.calls(t, later, newPlace, "PJSIP/1002-00000001", france)
	s.hear(t, later, guessedAt("1002"))
	s.calls(t, later.Add(time.Minute), "198.18.0.5", "PJSIP/1002-00000002", france)
	if got := s.effects(); strings.Contains(got, "end PJSIP/1002-00000001") || !strings.Contains(got, "end PJSIP/1002-00000002") {
		t.Errorf("a call from there, and one from elsewhere: %s", got)
	}
	s.Prune(noon.Add(2 * time.Hour))
	if h, kept := s.holds["1002 costs"]; kept && strings.Contains(h.Value, "attack") {
		t.Errorf("after the attack: %+v", h)
	}
}

// The attack goes on while the address is on probation: one limit, of which the ledger has
// one row.
func TestLimitOfBoth(t *testing.T) {
	s := attackedAtNewPlace(t)
	limit, limited := s.Contain.Costs.Of("1002")
	if want := "costly calls from unknown addresses are ended until the attack is over, and at least until 2026-12-22 12:01 UTC"; !limited || limit.String() != want {
		t.Errorf("%s\nwant %s", limit, want)
	}
	s.Prune(noon.Add(2 * time.Hour))
	if limit, _ = s.Contain.Costs.Of("1002"); limit.String() != "costly calls from unknown addresses are ended until 2026-12-22 12:01 UTC" || s.holds["1002 costs"].Value != "2026-12-22T12:01:00Z 2" {
		t.Errorf("after the attack: %s, kept %+v", limit, s.holds["1002 costs"])
	}
	s.Prune(noon.Add(31 * 24 * time.Hour))
	if _, kept := s.holds["1002 costs"]; kept {
		t.Error("kept for ever")
	}
}

// A call is hung up once, however many reasons there are.
func TestCallIsEndedOnce(t *testing.T) {
	const own, trunk = "PJSIP/1002-00000001", "PJSIP/carrier-00000002"
	for reasons := 1; reasons < 8; reasons++ {
		locked, waits, limited := reasons&1 != 0, reasons&2 != 0, reasons&4 != 0
		for _, asks := range []bool{false, true} {
			name := fmt.Sprintf("locked %t, waits %t, limited %t, asked for its source %t", locked, waits, limited, asks)
			s := owned(t, suspecting())
			s.asks = asks
			if locked {
				s.Contain.Locks.Restore("1002", "")
			}
			if waits {
				s.Contain.Breaker.Wait(noon, "1002", []incident.StepKind{incident.StepRotate})
			}
			if limited {
				s.Contain.Costs.BeginAttack(noon, "1002")
			}
			s.rings(noon, own, cook)
			for _, sign := range s.asked {
				s.Located(noon, sign, netip.MustParseAddrPort("203.0.113.5:5060"), nil)
			}
			if got := s.effects(); strings.Count(got, "end "+own) != 1 {
				t.Errorf("%s: %s", name, got)
			}
			s.asked = nil
			s.sees(noon, event.Event{Kind: event.BlindTransfer, Channel: []byte(own), Exten: []byte(cook), Result: []byte("Success"), DestChannel: []byte(trunk)})
			for _, sign := range s.asked {
				s.Located(noon, sign, netip.MustParseAddrPort("203.0.113.5:5060"), nil)
			}
			got := s.effects()
			if n := strings.Count(got, "end "+trunk); n > 1 || n == 0 && waits {
				t.Errorf("%s, transferred: %s", name, got)
			}
		}
	}
}

// An incident that has limited the costs of an account does not do so again.
func TestCostsAreLimitedOnceInAnIncident(t *testing.T) {
	p := suspecting()
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "distributed guessing", Per: score.PerAccount, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 4, Within: time.Hour, Playbook: "limit",
	})
	p.Playbooks["limit"] = []incident.StepKind{incident.StepLimitCosts}
	s := owned(t, p)
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	if got := s.states(0); len(s.incidents) != 1 || got != "limit-costs done, notify intended" {
		t.Errorf("%s: %s", s.verdicts(), got)
	}
}
