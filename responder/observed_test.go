package responder_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// An address that came on probation in mode observe is limited from the switch to enforce on,
// and a person hears of it, once. Where a person has said whose it is meanwhile, or the mode
// stays observe, nothing is limited.
func TestProbationOfModeObserve(t *testing.T) {
	const newPlace = "203.0.113.90"
	for name, tc := range map[string]struct {
		observe, trusted, informs bool
		limited                   int // accounts
	}{
		"a thief, or an owner who has moved": {limited: 1},
		"still in mode observe":              {observe: true},
		"a person trusts the address":        {trusted: true},
		"the playbook only informs":          {informs: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := guessing(100)
			p.Observe = true
			p.Thresholds = append(p.Thresholds, score.Threshold{Name: "new place", Per: score.PerAccount, Points: map[score.Signal]int{score.NewPlaceAfterFailures: 1}, Score: 1, Within: time.Hour, Playbook: "probation"})
			p.Playbooks["probation"] = []incident.StepKind{incident.StepLimitCosts, incident.StepNotify}
			if tc.informs {
				p.Playbooks["probation"] = []incident.StepKind{incident.StepNotify}
			}
			now := time.Now()
			h := newHarnessAt(t, now, p)
			h.hear(t, now, []byte(proven(failures("1002", "198.18.0.1", 2)+failures("1002", "198.18.7.1", 2))+success("1002", newPlace)))
			if got := thresholds(h.settled(t)); got != "new place 1002" {
				t.Fatalf("incidents %s", got)
			}
			limits := func() (n int) {
				holds, err := h.ledger.Holds(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range holds {
					if x.Kind == incident.HoldCosts && x.Account == "1002" {
						n++
					}
				}
				return n
			}
			if limits() != 0 {
				t.Fatal("mode observe limits costs")
			}
			if tc.trusted {
				if _, err := h.Trust(now.Add(time.Second), 0, "1002", netip.MustParseAddr(newPlace)); err != nil {
					t.Fatal(err)
				}
			}
			p.Observe = tc.observe
			for restart := 1; restart <= 2; restart++ {
				h.Engine = h.again(t, now.Add(time.Duration(restart)*time.Minute), p)
				var told []incident.Incident
				for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
					told = slices.DeleteFunc(h.settled(t), func(i incident.Incident) bool { return i.Mode != incident.Enforce })
					if len(told) >= tc.limited || time.Now().After(deadline) {
						break
					}
				}
				if got := limits(); got != tc.limited {
					t.Errorf("start %d: %d limits, want %d", restart, got, tc.limited)
				}
				if len(told) != tc.limited {
					t.Fatalf("start %d: incidents %s", restart, thresholds(told))
				}
				for _, i := range told {
					if i.Account != "1002" || i.Steps[0].Step != incident.StepLimitCosts || i.Steps[0].State != incident.Done || i.Steps[1].Step != incident.StepNotify {
						t.Errorf("start %d: %+v", restart, i)
					}
				}
			}
		})
	}
}
