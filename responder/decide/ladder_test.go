package decide

import (
	"testing"
	"time"
)

// The ban times on spoofable evidence: in order, the last for all that follow;
// only a single address is banned until a person releases it.
func TestSpoofableUntil(t *testing.T) {
	day := []time.Duration{10 * time.Minute, time.Hour, 24 * time.Hour}
	for name, tc := range map[string]struct {
		ladder  Ladder
		repeat  int
		network bool
		want    time.Duration // 0: forever
	}{
		"first":                    {Ladder{Spoofable: day}, 1, false, 10 * time.Minute},
		"second":                   {Ladder{Spoofable: day}, 2, false, time.Hour},
		"tenth":                    {Ladder{Spoofable: day}, 10, false, 24 * time.Hour},
		"forever, not yet":         {Ladder{Spoofable: day, SpoofableForever: true}, 3, false, 24 * time.Hour},
		"forever":                  {Ladder{Spoofable: day, SpoofableForever: true}, 4, false, 0},
		"a network is not forever": {Ladder{Spoofable: day, SpoofableForever: true}, 4, true, 24 * time.Hour},
		"one time for all":         {Ladder{Spoofable: day[:1]}, 5, false, 10 * time.Minute},
	} {
		until := tc.ladder.SpoofableUntil(noon, tc.repeat, tc.network)
		if until.IsZero() != (tc.want == 0) || !until.IsZero() && until.Sub(noon) != tc.want {
			t.Errorf("%s: until %s", name, until)
		}
	}
	if got := (Ladder{Spoofable: day}).Brief(); got != day[0] {
		t.Errorf("brief: %s", got)
	}
	for forget, want := range map[time.Duration]time.Duration{30 * 24 * time.Hour: 7 * 24 * time.Hour, time.Hour: time.Hour} {
		if got := (Ladder{Forget: forget}).RepeatMemory(); got != want {
			t.Errorf("forget %s: %s", forget, got)
		}
	}
}
