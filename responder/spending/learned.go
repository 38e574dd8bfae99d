package spending

import (
	"cmp"
	"slices"
	"time"
)

// What is usual is learned from days. The newest ones do not count: a thief who stays
// below the soft limit has to do so for Rules.Learn until that raises any limit, and then
// raises it to Usual times what it spent each day. Only the first days after the first
// start count at once, together, when they are over. Until then a place is usual if it was
// called from all over the site within working hours: it would take a thief several
// extensions, by day, to have one place count as usual, and that doubles what may be spent on
// it at night.

const (
	// keepDays is how many days what is usual is learned from.
	keepDays = 56
	// usualDays is on how many days an account must have called a place for that to be
	// usual for it. A place is usual for everybody if it was called on siteDays, by two
	// accounts or more: the days on which different accounts call count each.
	usualDays, siteDays = 3, 5
	// firstCallers is how many accounts must have called a place, on siteDays, for that to be
	// usual in the first days.
	firstCallers = 3
	// typical is which of the busiest days counts as the usual one: the third, so that
	// two busy days change nothing.
	typical = 3
)

// dayOf is a day of an account, at a place.
type dayOf struct {
	day            int64 // in the site's time zone
	account, place string
	closed         bool
}

// span is the usual day of a key, for one pool.
type span struct {
	open, closed time.Duration
	money        Money
}

// learned is what is usual.
type learned struct {
	accounts map[[2]string]bool // an account and a place
	site     map[string]bool    // places
	// days are the usual days by key, for usual places and for others.
	days [2]map[Key]span
	// first is the site's busiest day so far, in the first days and while there are too few
	// for a usual one. Only the soft limit within working hours takes it.
	first [2]span
}

// usual says whether a place is usual for an account.
func (l *learned) usual(account, place string) bool {
	return l.site[place] || l.accounts[[2]string{account, place}]
}

// day is the usual day of a key. For usual places, that of an account is at least a
// quarter of the site's: somebody new to the job calls whom the others call.
func (l *learned) day(k Key, p pool) span {
	s := l.days[p][k]
	if p == usualPlaces && k.Kind == PerAccount {
		all := l.days[p][Key{Kind: PerSite}]
		s.open, s.closed, s.money = max(s.open, all.open/4), max(s.closed, all.closed/4), max(s.money, all.money/4)
	}
	return s
}

// learn learns from the days before a day.
func learn(days map[dayOf]Sum, before int64, learning bool) *learned {
	l := &learned{accounts: map[[2]string]bool{}, site: map[string]bool{}, days: [2]map[Key]span{{}, {}}}
	l.places(days, before, learning)
	l.busyDays(days, before, learning)
	return l
}

// places finds the usual places.
func (l *learned) places(days map[dayOf]Sum, before int64, learning bool) {
	type place struct{ account, place string }
	on := map[place]map[int64]bool{}
	for d := range days {
		if d.day >= before || d.place == "" || learning && (d.closed || d.account == "") {
			continue
		}
		p := place{d.account, d.place}
		if on[p] == nil {
			on[p] = map[int64]bool{}
		}
		on[p][d.day] = true
	}
	calls, callers := map[string]int{}, map[string]int{}
	for p, days := range on {
		if p.account != "" && len(days) >= usualDays && !learning {
			l.accounts[[2]string{p.account, p.place}] = true
		}
		calls[p.place] += len(days)
		callers[p.place]++
	}
	least := 2
	if learning {
		least = firstCallers
	}
	for place, n := range calls {
		l.site[place] = n >= siteDays && callers[place] >= least
	}
}

// busyDays finds the usual days.
func (l *learned) busyDays(days map[dayOf]Sum, before int64, learning bool) {
	type keyDay struct {
		key  Key
		pool pool
		day  int64
	}
	sums := map[keyDay]span{}
	for d, sum := range days {
		if d.day >= before {
			continue
		}
		p := others
		if l.usual(d.account, d.place) {
			p = usualPlaces
		}
		for _, k := range []Key{{PerAccount, d.account}, {Kind: PerSite}} {
			s := sums[keyDay{k, p, d.day}]
			if d.closed {
				s.closed += sum.Time
			} else {
				s.open += sum.Time
			}
			s.money += sum.Money
			sums[keyDay{k, p, d.day}] = s
		}
	}
	type keyPool struct {
		key  Key
		pool pool
	}
	lists := map[keyPool][]span{}
	for k, s := range sums {
		lists[keyPool{k.key, k.pool}] = append(lists[keyPool{k.key, k.pool}], s)
	}
	for k, list := range lists {
		l.days[k.pool][k.key] = span{
			open: nth(list, func(s span) time.Duration { return s.open }), closed: nth(list, func(s span) time.Duration { return s.closed }),
			money: nth(list, func(s span) Money { return s.money }),
		}
		if learning && k.key.Kind == PerSite && len(list) < typical {
			for _, s := range list {
				l.first[k.pool].open, l.first[k.pool].money = max(l.first[k.pool].open, s.open), max(l.first[k.pool].money, s.money)
			}
		}
	}
}

// nth is the typical one of the greatest values; zero if there are fewer.
func nth[T cmp.Ordered](list []span, of func(span) T) (value T) {
	if len(list) < typical {
		return value
	}
	values := make([]T, len(list))
	for i := range list {
		values[i] = of(list[i])
	}
	slices.Sort(values)
	return values[len(values)-typical]
}
