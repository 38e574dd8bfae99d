package spending

import "time"

// What finished calls have spent within the window is kept as running sums, so that a check
// looks at the calls that are up and at nothing else: a busy site has finished a hundred
// thousand.

// tally is what a key has spent on one pool.
type tally struct {
	open, closed share
	risky        share // of open
	up           int   // calls that are up
	everybody    bool  // it is not an account's
}

// share is what a tally has spent within working hours, or outside.
type share struct {
	Sum
	estimated Money // at default rates
	places    map[string]time.Duration
	accounts  map[string]time.Duration // nil for an account
}

// part is a share of each tally. Limits are for one part, or for two together.
type part func(*tally) *share

func openPart(t *tally) *share   { return &t.open }
func closedPart(t *tally) *share { return &t.closed }
func riskyPart(t *tally) *share  { return &t.risky }

func newTally(k tallyKey) *tally { return &tally{everybody: k.key.Kind != PerAccount} }

// add adds a use; sign -1 takes it away again.
func (t *tally) add(u *Use, sign int) {
	if u.Closed {
		t.closed.add(u, sign, t.everybody)
		return
	}
	t.open.add(u, sign, t.everybody)
	if u.Risky {
		t.risky.add(u, sign, t.everybody)
	}
}

func (s *share) add(u *Use, sign int, everybody bool) {
	sum := Sum{Time: u.Time * time.Duration(sign), Calls: u.Calls * sign, Money: u.Money * Money(sign)}
	s.Add(sum)
	if u.Estimate {
		s.estimated += sum.Money
	}
	addTime(&s.places, u.Place, sum.Time)
	if everybody {
		addTime(&s.accounts, u.Account, sum.Time)
	}
}

func addTime(of *map[string]time.Duration, name string, d time.Duration) {
	if *of == nil {
		*of = map[string]time.Duration{}
	}
	if (*of)[name] += d; (*of)[name] == 0 {
		delete(*of, name)
	}
}

// both are the tallies of finished calls and of those that are up.
type both struct {
	finished *tally // nil: none
	up       *tally
}

// sum is what was spent in parts.
func (b *both) sum(of ...part) (s Sum) {
	var estimated Money
	add := func(t *tally) {
		for _, p := range of {
			s.Add(p(t).Sum)
			estimated += p(t).estimated
		}
	}
	add(b.up)
	s.Calls = min(s.Calls, b.up.up) // one that began within working hours and goes on is in two parts
	if b.finished != nil {
		add(b.finished)
	}
	s.Estimate = estimated > 0
	return s
}

func (b *both) total() Sum { return b.sum(openPart, closedPart) }

// places and accounts are the time spent on each in parts.
func (b *both) places(of ...part) map[string]time.Duration {
	return b.merged(of, func(s *share) map[string]time.Duration { return s.places })
}

func (b *both) accounts(of ...part) map[string]time.Duration {
	return b.merged(of, func(s *share) map[string]time.Duration { return s.accounts })
}

func (b *both) merged(of []part, times func(*share) map[string]time.Duration) map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, t := range []*tally{b.up, b.finished} {
		if t == nil {
			continue
		}
		for _, p := range of {
			for name, d := range times(p(t)) {
				all[name] += d
			}
		}
	}
	return all
}

type tallyKey struct {
	key  Key
	pool pool
}

// tallies are kept by key and pool.
type tallies map[tallyKey]*tally

// keysOf calls see for each key that a use counts for.
func keysOf(u *Use, l *learned, see func(tallyKey)) {
	p := others
	if l.usual(u.Account, u.Place) {
		p = usualPlaces
	}
	if u.Account != "" {
		see(tallyKey{Key{PerAccount, u.Account}, p})
	}
	if u.Trunk != "" {
		see(tallyKey{Key{PerTrunk, u.Trunk}, p})
	}
	see(tallyKey{Key{Kind: PerSite}, p})
}

// at is the tally of a key, a new one if there is none.
func (all tallies) at(k tallyKey) *tally {
	t := all[k]
	if t == nil {
		t = newTally(k)
		all[k] = t
	}
	return t
}

func (all tallies) add(k tallyKey, u *Use, sign int) {
	t := all.at(k)
	if t.add(u, sign); t.open.Time+t.closed.Time == 0 {
		delete(all, k)
	}
}

// within says whether an hour counts at a time.
func within(hour, now int64) bool { return hour > now-window && hour <= now+1 }

// upTallies counts what the calls that are up have spent.
func (s *Spending) upTallies(now time.Time, l *learned) tallies {
	up, hour := tallies{}, now.Unix()/3600
	var of []*tally // of one call
	for _, c := range s.calls {
		if c.answered.IsZero() {
			continue
		}
		of = of[:0]
		s.rules.cut(c, now, func(u Use) {
			if u.Forgiven || !within(u.Hour, hour) {
				return
			}
			if len(of) == 0 {
				keysOf(&u, l, func(k tallyKey) { of = append(of, up.at(k)) })
				for _, t := range of {
					t.up++
				}
			}
			for _, t := range of {
				t.add(&u, 1)
			}
		})
	}
	return up
}

// keepTallies brings the running sums of finished calls up to date: it takes away the hours
// that no longer count, and counts anew after what is usual or forgiven has changed.
func (s *Spending) keepTallies(now time.Time, l *learned) {
	hour := now.Unix() / 3600
	if s.finished == nil || s.talliedBy != l || hour < s.talliedAt {
		s.finished, s.talliedBy, s.talliedAt = tallies{}, l, hour
		for h, uses := range s.uses {
			if within(h, hour) {
				s.tally(uses, 1)
			}
		}
		for k := range s.finished {
			s.touched[k] = true
		}
		return
	}
	for h, uses := range s.uses {
		switch was, is := within(h, s.talliedAt), within(h, hour); {
		case was && !is:
			s.tally(uses, -1)
		case is && !was:
			s.tally(uses, 1)
		}
	}
	s.talliedAt = hour
}

func (s *Spending) tally(uses map[usedIn]Use, sign int) {
	for _, u := range uses {
		if !u.Forgiven {
			keysOf(&u, s.talliedBy, func(k tallyKey) { s.finished.add(k, &u, sign) })
		}
	}
}

// tallied adds what was booked to the running sums, unless the next check counts anew.
func (s *Spending) tallied(u *Use) {
	if s.finished == nil || u.Forgiven || !within(u.Hour, s.talliedAt) {
		return
	}
	keysOf(u, s.talliedBy, func(k tallyKey) {
		s.touched[k] = true
		s.finished.add(k, u, 1)
	})
}
