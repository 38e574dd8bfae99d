package responder_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Two wrong guesses before a reload and one after it are three, whether the
// thresholds stay or change.
func TestScoresSurviveAnotherPolicy(t *testing.T) {
	for name, change := range map[string]func(p *judge.Policy){
		"the same":       func(*judge.Policy) {},
		"another ladder": func(p *judge.Policy) { p.Ladder.Times = []time.Duration{time.Minute} },
		"another name":   func(p *judge.Policy) { p.Thresholds[0].Name = "guessing" },
		"a lower score":  func(p *judge.Policy) { p.Thresholds[0].Score = 3 },
		"one threshold on": func(p *judge.Policy) {
			p.Thresholds = append(p.Thresholds, p.Thresholds[0])
			p.Thresholds[3].Name = "twin"
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := 3
			if name == "a lower score" {
				before = 10
			}
			h := newHarness(t, guessing(before))
			h.hear(t, noon, []byte(failures("1002", "203.0.113.5", 2)))
			p := guessing(before)
			change(&p)
			if err := h.Configure(p); err != nil {
				t.Fatal(err)
			}
			if n := len(h.settled(t)); n != 0 {
				t.Fatalf("the reload itself made %d incidents", n)
			}
			h.hear(t, noon.Add(time.Second), []byte(failure("1002", "203.0.113.5", 7)))
			list := h.settled(t)
			if len(list) == 0 || list[0].Source != netip.MustParseAddr("203.0.113.5") {
				t.Errorf("incidents: %s; want the guesser's", thresholds(list))
			}
		})
	}
}

// A policy that no table can hold is refused, and the old one goes on.
func TestImpossiblePolicyIsRefused(t *testing.T) {
	h := newHarness(t, guessing(3))
	p := guessing(3)
	p.Thresholds = append(p.Thresholds, score.Threshold{Name: "none"})
	if err := h.Configure(p); err == nil {
		t.Fatal("taken")
	}
	h.hear(t, noon, []byte(failures("1002", "203.0.113.5", 3)))
	if list := h.settled(t); thresholds(list) != "password guessing 203.0.113.5" {
		t.Errorf("incidents: %s", thresholds(list))
	}
}
