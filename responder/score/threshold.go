package score

import (
	"errors"
	"fmt"
	"time"
)

// Threshold is a rule of the config: if these signals reach the score for one key
// within the time, run the playbook. Of one source at most three points count for its
// network.
type Threshold struct {
	Name     string
	Per      Per
	Points   map[Signal]int // points of each signal that counts, all above 0
	Score    int
	Within   time.Duration
	Playbook string
	// Observe says that the playbook is not run: what it would do is recorded.
	Observe bool
}

// Limits on thresholds. A window holds one cell for every observation that counts, so
// score/points bounds its memory.
const (
	maxScore  = 1 << 20
	maxCells  = 1 << 16
	maxWithin = 10 * 366 * 24 * time.Hour
)

// rule is a threshold prepared for the hot path.
type rule struct {
	threshold Threshold
	points    [signalCount]uint32
	score     uint32
	within    int64 // µs
	cells     int   // most cells in a window
}

func newRule(t Threshold) (rule, error) {
	r := rule{threshold: t, score: uint32(t.Score), within: t.Within.Microseconds()}
	least := 0
	for s, p := range t.Points {
		if s == NoSignal || s >= signalCount {
			return rule{}, fmt.Errorf("unknown signal %v", s)
		}
		if p < 1 || p > maxScore {
			return rule{}, fmt.Errorf("points of %v: %d, want 1 to %d", s, p, maxScore)
		}
		if t.Per == PerNetwork {
			p = min(p, shareMost)
		}
		r.points[s] = uint32(p)
		if least == 0 || p < least {
			least = p
		}
	}
	switch {
	case t.Per < PerSource || t.Per >= perCount:
		return rule{}, errors.New("per: want source, network, account, site or origin")
	case least == 0:
		return rule{}, errors.New("no signal carries points")
	case t.Score < 1 || t.Score > maxScore:
		return rule{}, fmt.Errorf("score: %d, want 1 to %d", t.Score, maxScore)
	case t.Within < time.Millisecond || t.Within > maxWithin:
		return rule{}, fmt.Errorf("within: %v, want 1ms to %v", t.Within, maxWithin)
	}
	r.cells = (t.Score + least - 1) / least
	if r.cells > maxCells {
		return rule{}, fmt.Errorf("score %d has to remember %d observations of a key, want at most %d", t.Score, r.cells, maxCells)
	}
	return r, nil
}
