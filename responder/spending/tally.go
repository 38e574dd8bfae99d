package spending

import (
	"maps"
	"time"
)

// What finished calls have spent within the window is kept as running sums, so that a check
// looks at the calls that are up and at nothing else: a busy site has finished a hundred
// thousand.

// tally is what a key has spent on one pool.
type tally struct {
	open, closed Sum
	risky        Sum   // of open
	estimated    Money // of both, at default rates
	up           int   // calls that are up
	places       map[string]time.Duration
	accounts     map[string]time.Duration
}

func newTally(k tallyKey) *tally {
	t := &tally{places: map[string]time.Duration{}}
	if k.key.Kind != PerAccount {
		t.accounts = map[string]time.Duration{}
	}
	return t
}

// add adds a use; sign -1 takes it away again.
func (t *tally) add(u *Use, sign int) {
	s := Sum{Time: u.Time * time.Duration(sign), Calls: u.Calls * sign, Money: u.Money * Money(sign)}
	if u.Closed {
		t.closed.Add(s)
	} else {
		t.open.Add(s)
		if u.Risky {
			t.risky.Add(s)
		}
	}
	if u.Estimate {
		t.estimated += s.Money
	}
	addTime(t.places, u.Place, s.Time)
	if t.accounts != nil {
		addTime(t.accounts, u.Account, s.Time)
	}
}

func addTime(of map[string]time.Duration, name string, d time.Duration) {
	if of[name] += d; of[name] == 0 {
		delete(of, name)
	}
}

// both are the tallies of finished calls and of those that are up.
type both struct {
	finished *tally // nil: none
	up       *tally
}

func (b *both) sum(of func(*tally) Sum) Sum {
	s := of(b.up)
	if b.finished != nil {
		s.Add(of(b.finished))
	}
	return s
}

func (b *both) open() Sum   { return b.sum(func(t *tally) Sum { return t.open }) }
func (b *both) closed() Sum { return b.sum(func(t *tally) Sum { return t.closed }) }
func (b *both) risky() Sum  { return b.sum(func(t *tally) Sum { return t.risky }) }

func (b *both) total() Sum {
	s := b.open()
	s.Add(b.closed())
	s.Estimate = b.up.estimated > 0 || b.finished != nil && b.finished.estimated > 0
	return s
}

// places and accounts are the time spent on each.
func (b *both) places() map[string]time.Duration {
	return b.merged(func(t *tally) map[string]time.Duration { return t.places })
}

func (b *both) accounts() map[string]time.Duration {
	return b.merged(func(t *tally) map[string]time.Duration { return t.accounts })
}

func (b *both) merged(of func(*tally) map[string]time.Duration) map[string]time.Duration {
	all := maps.Clone(of(b.up))
	if b.finished != nil {
		for name, d := range of(b.finished) {
			all[name] += d
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

func (all tallies) add(k tallyKey, u *Use, sign int) *tally {
	t := all[k]
	if t == nil {
		t = newTally(k)
		all[k] = t
	}
	if t.add(u, sign); t.open.Time+t.closed.Time == 0 {
		delete(all, k)
	}
	return t
}

// within says whether an hour counts at a time.
func within(hour, now int64) bool { return hour > now-window && hour <= now+1 }

// upTallies counts what the calls that are up have spent.
func (s *Spending) upTallies(now time.Time, l *learned) tallies {
	up, hour := tallies{}, now.Unix()/3600
	for _, c := range s.calls {
		if c.answered.IsZero() {
			continue
		}
		s.rules.cut(c, now, func(u Use) {
			if u.Forgiven || !within(u.Hour, hour) {
				return
			}
			keysOf(&u, l, func(k tallyKey) { up.add(k, &u, 1).up += u.Calls })
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
