package contain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Accounts are taken one by one until there are as many as the limit says within the time.
func TestBreakerStopsTheNextAccount(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	type take struct {
		after   time.Duration
		account string
	}
	for name, tc := range map[string]struct {
		rule    BreakerRule
		taken   []take
		resumed time.Duration // 0: nobody has
		after   time.Duration
		account string
		stops   bool
	}{
		"as many as may be":      {BreakerRule{2, time.Hour}, []take{{0, "1001"}}, 0, time.Minute, "1002", false},
		"one more":               {BreakerRule{2, time.Hour}, []take{{0, "1001"}, {1, "1002"}}, 0, time.Minute, "1003", true},
		"the same account again": {BreakerRule{2, time.Hour}, []take{{0, "1001"}, {1, "1002"}}, 0, time.Minute, "1002", false},
		"one account counts once": {
			BreakerRule{2, time.Hour},
			[]take{{0, "1001"}, {1, "1001"}, {2, "1001"}},
			0, time.Minute, "1002", false,
		},
		"an hour later":          {BreakerRule{2, time.Hour}, []take{{0, "1001"}, {time.Minute, "1002"}}, 0, time.Hour, "1003", false},
		"a person lets it go on": {BreakerRule{2, time.Hour}, []take{{0, "1001"}, {1, "1002"}}, time.Minute, 2 * time.Minute, "1003", false},
		"and then as many again": {BreakerRule{1, time.Hour}, []take{{0, "1001"}, {2 * time.Minute, "1002"}}, time.Minute, 3 * time.Minute, "1003", true},
		"no limit":               {BreakerRule{0, time.Hour}, []take{{0, "1001"}, {1, "1002"}}, 0, time.Minute, "1003", false},
	} {
		var b Breaker
		b.Configure(tc.rule)
		for _, take := range tc.taken {
			b.Take(at.Add(take.after), take.account)
		}
		if tc.resumed > 0 {
			b.Resume(at.Add(tc.resumed))
		}
		b.Prune(at.Add(tc.after))
		if got := b.Stops(at.Add(tc.after), tc.account); got != tc.stops {
			t.Errorf("%s: stops %s: %t, want %t", name, tc.account, got, tc.stops)
		}
	}
}

// What waits is remembered until it is dealt with, and survives a restart.
func TestBreakerKnowsWhoWaits(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var b Breaker
	b.Configure(BreakerRule{1, time.Hour})
	b.Take(at, "1001")
	steps := []incident.StepKind{incident.StepRotate, incident.StepRemoveRegistrations}
	w, changed := b.Wait(at.Add(time.Minute), "1002", steps)
	if !changed || w.Account != "1002" || w.Words() != "rotate remove-registrations" || !b.Waits("1002") || b.Waits("1001") {
		t.Fatalf("%+v, changed %t", w, changed)
	}
	if _, changed := b.Wait(at.Add(2*time.Minute), "1002", steps[:1]); changed {
		t.Error("the same again is a change")
	}
	if w, changed := b.Wait(at.Add(2*time.Minute), "1002", []incident.StepKind{incident.StepLock}); !changed || !w.Since.Equal(at.Add(time.Minute)) || len(w.Steps) != 3 {
		t.Errorf("another step: %+v, changed %t", w, changed)
	}
	s := b.State(at.Add(3 * time.Minute))
	if !s.Open || !slices.Equal(s.Taken, []string{"1001"}) || !s.Until.Equal(at.Add(time.Hour)) || len(s.Waiting) != 1 {
		t.Errorf("%+v", s)
	}
	b.Prune(at.Add(48 * time.Hour))
	if s := b.State(at.Add(48 * time.Hour)); s.Open || len(s.Waiting) != 1 {
		t.Errorf("two days later: %+v", s)
	}
	var next Breaker
	next.RestoreWaiting(w.Account, w.Since, w.Words())
	if got := next.State(at).Waiting; len(got) != 1 || !slices.Equal(got[0].Steps, steps) {
		t.Errorf("after a restart: %+v", got)
	}
	if !b.EndWait("1002") || b.EndWait("1002") || b.Waits("1002") {
		t.Error("it waits although it was dealt with")
	}
	for n := range 2 * maxBreaker {
		b.Take(at, fmt.Sprint(n))
		b.Wait(at, fmt.Sprint(n), steps)
	}
	if len(b.taken) > maxBreaker || len(b.waiting) > maxBreaker {
		t.Errorf("%d accounts taken, %d waiting", len(b.taken), len(b.waiting))
	}
	if why := b.Why(); !strings.Contains(why, "1 extension had") || !strings.Contains(why, "within 1h ") {
		t.Errorf("%s", why)
	}
}
