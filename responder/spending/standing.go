package spending

import (
	"cmp"
	"slices"
	"time"
)

// Standing is what a key has spent within 24 hours, and what it may.
type Standing struct {
	Key   Key
	Parts []Part // of usual places, and of others, as far as anything was spent there
}

// Part is what was spent on usual places, or on others.
type Part struct {
	Usual bool
	Spent Sum
	// Minutes within working hours, minutes outside, and money: used, and the limits.
	Minutes, OffHours, Money Measure
}

// Measure is what was used of a limit; 0 is no limit. Money is in units of the currency.
type Measure struct {
	Used, Soft, Hard int64
}

// Left is what is left until the hard limit; ok is false if there is none.
func (m Measure) Left() (n int64, ok bool) { return max(m.Hard-m.Used, 0), m.Hard > 0 }

// Standings lists the site, the trunks and the accounts that have spent anything, who
// spent most of their kind first.
func (s *Spending) Standings(now, learningEnds time.Time) (list []Standing) {
	l := s.learnUpTo(now, learningEnds)
	s.keepTallies(now, l)
	up := s.upTallies(now, l)
	for k := range s.finished {
		if up[k] == nil {
			up[k] = newTally(k)
		}
	}
	index := map[Key]int{}
	for _, p := range []pool{others, usualPlaces} {
		for k, t := range up {
			if k.pool != p {
				continue
			}
			i, known := index[k.key]
			if !known {
				i = len(list)
				index[k.key] = i
				list = append(list, Standing{Key: k.key})
			}
			list[i].Parts = append(list[i].Parts, s.part(k, &both{s.finished[k], t}, l))
		}
	}
	slices.SortFunc(list, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(b.Key.Kind, a.Key.Kind), cmp.Compare(b.time(), a.time()), cmp.Compare(a.Key.Name, b.Key.Name))
	})
	return list
}

func (s *Standing) time() (d time.Duration) {
	for i := range s.Parts {
		d += s.Parts[i].Spent.Time
	}
	return d
}

func (s *Spending) part(k tallyKey, t *both, l *learned) Part {
	limits, day := s.rules.limitsOf(k.key), l.day(k.key, k.pool)
	measure := func(used int64, p Pair, per, usual int64) (m Measure) {
		m.Used = used
		if p.Soft > 0 {
			m.Soft = s.rules.limit(Soft, k.pool, p.Soft/per, usual)
		}
		if p.Hard > 0 {
			m.Hard = s.rules.limit(Hard, k.pool, p.Hard/per, usual)
		}
		return m
	}
	total := t.total()
	return Part{
		Usual: k.pool == usualPlaces, Spent: total,
		Minutes:  measure(t.sum(openPart).Minutes(), limits.Minutes, 1, int64(day.open/time.Minute)),
		OffHours: measure(t.sum(closedPart).Minutes(), limits.OffHours, 1, int64(day.closed/time.Minute)),
		Money:    measure(int64(total.Money/unit), limits.Money, int64(unit), int64(day.money/unit)),
	}
}
