package responder_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// turning is a policy that closes networks whose members take turns.
func turning() judge.Policy {
	p := guessing(3)
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "network takes turns", Per: score.PerNetwork, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 1000, Within: time.Hour, Playbook: "block",
	})
	return p
}

// takeTurns has the members of 100.64.7.0/24 guess once each.
func (h *harness) takeTurns(t *testing.T, at time.Time) {
	t.Helper()
	for n := range 10 {
		h.hear(t, at.Add(time.Duration(n)*time.Second), []byte(failures("1002", fmt.Sprintf("100.64.7.%d", n+1), 1)))
	}
}

// A closed network is dropped, recorded and told of; it is released everywhere, and
// stays so after a restart, when an account signs in nearby, when an address in it
// is allowed, or when a person says so.
func TestClosedNetworkIsReleased(t *testing.T) {
	network := netip.MustParsePrefix("100.64.7.0/24")
	for name, release := range map[string]func(*testing.T, *harness, time.Time){
		"an account signs in": func(t *testing.T, h *harness, now time.Time) {
			h.hear(t, now, []byte(proven(success("1001", "100.64.200.1"))))
		},
		"an address is allowed": func(t *testing.T, h *harness, _ time.Time) {
			if released, err := h.Allow([]netip.Prefix{netip.MustParsePrefix("100.64.7.99/32")}); err != nil || len(released) != 1 {
				t.Errorf("released %v, %v", released, err)
			}
		},
		"a person": func(t *testing.T, h *harness, _ time.Time) {
			if r, err := h.Bans.Unban(network, false, 0); err != nil || len(r.Bans) != 1 {
				t.Errorf("released %v, %v", r.Bans, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			h := newHarnessAt(t, now, turning())
			h.takeTurns(t, now)
			list := h.settled(t)
			ban, _ := h.banOf(now, network)
			if !slices.Contains(h.kernel.dropped(), network.String()) || ban.Scope != incident.ScopeSIP || h.Bans.Closed(now) != 1 {
				t.Fatalf("dropped: %v, %+v", h.kernel.dropped(), ban)
			}
			if len(list) != 1 || list[0].Key.Value() != network.String() || list[0].Steps[0].State != incident.Done {
				t.Errorf("incidents: %+v", list)
			}
			release(t, h, now.Add(20*time.Second))
			h.wait(t, "the release", func() bool { return !slices.Contains(h.kernel.dropped(), network.String()) })
			if _, still := h.banOf(now, network); still {
				t.Error("still in the registry")
			}
			if bans, err := h.ledger.Bans(t.Context(), now.Add(time.Minute)); err != nil || len(bans) != 0 {
				t.Errorf("the ledger has %+v, %v", bans, err)
			}
		})
	}
}
