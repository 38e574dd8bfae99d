package decide

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

func TestDedup(t *testing.T) {
	var d Dedup
	at := func(v *score.Verdict, after time.Duration) *score.Verdict {
		v.At = noon.Add(after)
		return v
	}
	other := guessing(false)
	other.Threshold = &score.Threshold{Name: "scanning", Within: time.Hour}
	for _, step := range []struct {
		what string
		v    *score.Verdict
		want bool
	}{
		{"the first time", at(guessing(false), 0), true},
		{"a moment later", at(guessing(false), time.Second), false},
		{"by another threshold", at(other, time.Second), true},
		{"about another key", at(broken("1002"), time.Second), true},
		{"just within the threshold's time", at(guessing(false), time.Hour-1), false},
		{"after it", at(guessing(false), time.Hour), true},
		{"and again after that", at(guessing(false), time.Hour+1), false},
	} {
		if got := d.First(step.v, NotWidened); got != step.want {
			t.Errorf("%s: %t", step.what, got)
		}
	}
}

// A phone with a wrong password is reported once a day, whatever its address's
// other verdicts.
func TestDedupOfFlows(t *testing.T) {
	var d Dedup
	phone := func(account string, after time.Duration) *score.Verdict {
		v := guessing(true)
		v.At, v.Cause.Account, v.Cause.Signal = noon.Add(after), account, score.ChallengeResponseFailed
		return v
	}
	guesser := func(after time.Duration) *score.Verdict {
		v := wrongPassword(5070, "1001", "1002", "1003")
		v.At = noon.Add(after)
		return v
	}
	for _, step := range []struct {
		what string
		v    *score.Verdict
		want bool
	}{
		{"the first time", phone("1004", 0), true},
		{"an hour later", phone("1004", time.Hour), false},
		{"another phone there", phone("1005", time.Hour), true},
		{"the next day", phone("1004", 24*time.Hour), true},
		{"a guesser", guesser(0), true},
		{"from its next port", guesser(time.Second), false},
		{"after the threshold's time", guesser(time.Hour), true},
	} {
		if got := d.FirstFlow(step.v); got != step.want {
			t.Errorf("%s: %t", step.what, got)
		}
	}
	if !d.First(phone("1004", time.Hour), NotWidened) {
		t.Error("a stale phone silences other verdicts on its address")
	}
}

// What does not fit is repeated, and room comes back with time.
func TestDedupIsBounded(t *testing.T) {
	var d Dedup
	for i := range maxDedup + 100 {
		if v := broken(fmt.Sprint(i)); !d.First(v, NotWidened) {
			t.Fatalf("%d is not informed of", i)
		}
	}
	if len(d.until) != maxDedup {
		t.Errorf("%d kept", len(d.until))
	}
	for range 2 {
		if !d.First(broken("late"), NotWidened) {
			t.Error("without room something is kept back")
		}
	}
	d.Prune(noon.Add(time.Hour - 1))
	if len(d.until) != maxDedup {
		t.Errorf("%d kept while they count", len(d.until))
	}
	d.Prune(noon.Add(time.Hour))
	if len(d.until) != 0 {
		t.Errorf("%d kept for ever", len(d.until))
	}
}
