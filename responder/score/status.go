package score

import (
	"slices"
	"time"
)

// Status is the state of a key at one time.
type Status struct {
	Key    Key
	Scores []Score   // one for each threshold of this kind of key, in config order
	Last   time.Time // time of the newest observation kept; zero if none
	Fired  bool      // the key crossed a threshold within the threshold's time
}

// Score is the number of points that a key has towards one threshold.
type Score struct {
	Threshold *Threshold
	Points    int
}

// Share returns the largest fraction of a threshold that the key has reached, 0 to 1.
func (s *Status) Share() float64 {
	most := 0.0
	for _, p := range s.Scores {
		most = max(most, float64(p.Points)/float64(p.Threshold.Score))
	}
	return most
}

// topCandidates is the minimum number of keys that Top examines.
const topCandidates = 4096

// Top returns the n keys of one kind that are nearest to a threshold, the nearest
// first. In a large table it examines only the most dangerous and most recent keys, so
// that it does not delay observations.
func (t *Table) Top(at time.Time, per Per, n int) []Status {
	if per < PerSource || per >= perCount || t.spaces[per-1] == nil || n < 1 {
		return nil
	}
	k := t.spaces[per-1]
	var all []Status
	left := max(topCandidates, 4*n)
	for r := rankCount - 1; r >= 0; r-- {
		for i := k.queues[r].newest; i != 0 && left > 0; i = k.entries.at(i).prev {
			all = append(all, t.status(k, i, at))
			left--
		}
	}
	slices.SortStableFunc(all, func(a, b Status) int {
		switch x, y := a.Share(), b.Share(); {
		case x > y:
			return -1
		case x < y:
			return 1
		default:
			return b.Last.Compare(a.Last)
		}
	})
	return all[:min(n, len(all))]
}

func (t *Table) status(k *keyspace, i uint32, at time.Time) Status {
	now := t.clock.micros(at)
	x := k.entries.at(i)
	s := Status{
		Key:    k.key(i),
		Scores: make([]Score, len(k.rules)),
		Fired:  x.fired && int64(x.due)*1_000_000 > now,
	}
	if x.kept > 0 {
		s.Last = time.UnixMicro(t.evidence.notes.at(x.evidence).at).UTC()
	}
	for j := range k.rules {
		r := &k.rules[j]
		points := 0
		k.nodes.each(*k.window(i, x, j), func(c cell) {
			if k.nodes.time(c.at()) > now-r.within {
				points += int(r.points[c.signal()])
			}
		})
		s.Scores[j] = Score{Threshold: &r.threshold, Points: points}
	}
	return s
}

// Stats describes the contents of a Table and its evictions.
type Stats struct {
	Keys  map[Per]KeyStats
	Notes int    // notes in use; a long observation takes several
	Short uint64 // times that evidence was dropped or cut because Limits.Spare was used up
	Bytes int    // memory held; bounded by Limits, never shrinks
}

// KeyStats describes one kind of key.
type KeyStats struct {
	Tracked  int
	Capacity int
	Evicted  uint64 // keys evicted to make room for others
}

// Stats returns the current counts. It is cheap.
func (t *Table) Stats() Stats {
	s := Stats{
		Keys: make(map[Per]KeyStats), Notes: t.evidence.used, Short: t.evidence.short,
		Bytes: t.evidence.notes.bytes(),
	}
	for _, k := range t.spaces {
		if k != nil {
			s.Keys[k.per] = KeyStats{Tracked: k.tracked, Capacity: k.capacity, Evicted: k.evicted}
			s.Bytes += k.bytes()
		}
	}
	return s
}
