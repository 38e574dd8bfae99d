package score

import (
	"slices"
	"time"
)

// Standing is how a key stands at one time.
type Standing struct {
	Key    Key
	Scores []Score   // one for each threshold of the key's kind, in the config's order
	Last   time.Time // of the newest observation kept; zero when none is
	Fired  bool      // it crossed a threshold, within that threshold's time
}

// Score is the points a key has towards one threshold.
type Score struct {
	Threshold *Threshold
	Points    int
}

// Share is the greatest part of any threshold that the key has reached, 0 to 1.
func (s *Standing) Share() float64 {
	most := 0.0
	for _, p := range s.Scores {
		most = max(most, float64(p.Points)/float64(p.Threshold.Score))
	}
	return most
}

// looked is how many keys Standings looks at, at least.
const looked = 4096

// Standings are the n keys of one kind nearest to a threshold, the nearest
// first. Of a big table it looks only at the most dangerous ones, those seen
// last first, so that asking does not hold up observing.
func (t *Table) Standings(at time.Time, per Per, n int) []Standing {
	if per < PerSource || per >= perCount || t.spaces[per-1] == nil || n < 1 {
		return nil
	}
	k := t.spaces[per-1]
	var all []Standing
	left := max(looked, 4*n)
	for r := rankCount - 1; r >= 0; r-- {
		for i := k.queues[r].newest; i != 0 && left > 0; i = k.entries.at(i).prev {
			all = append(all, t.standing(k, i, at))
			left--
		}
	}
	slices.SortStableFunc(all, func(a, b Standing) int {
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

func (t *Table) standing(k *keyspace, i uint32, at time.Time) Standing {
	now := t.clock.micros(at)
	x := k.entries.at(i)
	s := Standing{
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
			if c.at() > now-r.within {
				points += int(r.points[c.signal()])
			}
		})
		s.Scores[j] = Score{Threshold: &r.threshold, Points: points}
	}
	return s
}

// Stats is what a Table holds and what it had to let go.
type Stats struct {
	Keys  map[Per]KeyStats
	Notes int    // observations held as evidence; a long one counts for several
	Short uint64 // times that Limits.Spare was used up and evidence was let go or cut for it
	Bytes int    // memory held; it never shrinks and has its bound in Limits
}

// KeyStats is the same for one kind of key.
type KeyStats struct {
	Tracked  int
	Capacity int
	Evicted  uint64 // keys that had to go for others before their time
}

// Stats counts; it costs nothing to ask.
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
