package responder_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
)

// patient is a policy that looks at days alone.
func patient() judge.Policy {
	p := guessing(1000)
	p.Slow = slow.Config{SiteAccounts: 3}
	p.Thresholds = append(p.Thresholds,
		score.Threshold{Name: "guessing for days", Per: score.PerSource, Points: map[score.Signal]int{score.SlowGuesser: 1}, Score: 1, Within: 7 * 24 * time.Hour, Playbook: "block"},
		score.Threshold{Name: "guessing campaign", Per: score.PerSite, Points: map[score.Signal]int{score.GuessingCampaign: 1}, Score: 1, Within: time.Minute, Playbook: "tell"},
	)
	p.Playbooks["tell"] = []incident.StepKind{incident.StepNotify}
	return p
}

// A daemon that is killed does not let a slow guesser begin anew, and does not tell
// anybody twice of the same campaign.
func TestSlowGuessingSurvivesKill(t *testing.T) {
	now := time.Now()
	h := newHarness(t, patient())
	hear := func(account, source string) {
		h.hear(t, now, []byte(proven(failures(account, source, 1))))
		now = now.Add(time.Hour)
	}
	for n, account := range []string{"1001", "1002"} {
		hear(account, "192.0.2.66")
		hear(account, fmt.Sprintf("192.0.3.%d", n))
	}
	h.Prune(now)
	h.Engine = h.again(t, now, patient()) // nothing of the first engine but what the ledger has
	hear("1003", "192.0.2.66")
	if got := thresholds(h.settled(t)); got != "guessing campaign site, guessing for days 192.0.2.66" {
		t.Fatalf("incidents: %s", got)
	}
	if _, banned := h.banOf(time.Now(), villain); !banned {
		t.Error("the slow guesser is not banned")
	}
	h.Prune(now)
	h.Engine = h.again(t, now, patient())
	hear("1004", "192.0.4.1")
	if n := len(h.settled(t)); n != 2 {
		t.Errorf("%d incidents after another restart, want 2", n)
	}
}
