package spending

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// pool is what limits are for: calls to usual places, or to others.
type pool uint8

const (
	usualPlaces pool = iota
	others
)

// Level is which limit was reached.
type Level uint8

// The levels.
const (
	Soft Level = iota + 1
	Hard
)

// Alert is a limit that was reached. It is raised once within 24 hours; a soft one once a
// week, unless much more is spent, or most of it elsewhere.
type Alert struct {
	At    time.Time
	Key   Key
	Level Level
	// Spent is what the key has spent within 24 hours on what the limit is for.
	Spent Sum
	// Others says whether it was spent on places that are not usual.
	Others bool
	// Accounts spent most of it, if the limit is not an account's: more than half.
	Accounts []string
	places   []string
	limit    string // in words
}

type tellKey struct {
	key   Key
	level Level
	pool  pool
}

func (a *Alert) over(now time.Time) bool {
	return now.Sub(a.At) >= window*time.Hour || now.Before(a.At)
}

// goesOn reports whether an alert, less than a week later, says the same again: a business
// trip, or what the site does every day.
func (a *Alert) goesOn(next *Alert) bool {
	return !a.forgotten(next.At) && next.Spent.Time <= a.Spent.Time*3/2 && next.Spent.Money <= a.Spent.Money*3/2 &&
		(len(next.places) == 0 || slices.Contains(a.places, next.places[0]))
}

// forgotten reports whether an alert no longer matters.
func (a *Alert) forgotten(now time.Time) bool {
	return now.Sub(a.At) >= 7*24*time.Hour || now.Before(a.At)
}

// crowd is how many calls at once no person holds: two and a conference.
const crowd = 3

// Check returns the limits that have been reached, those of accounts first. learningEnds
// is when the first days are over, in which the site is observed. Only keys that have spent
// anything since the last time are looked at.
func (s *Spending) Check(now, learningEnds time.Time) (list []Alert) {
	l := s.learnUpTo(now, learningEnds)
	if len(s.calls) == 0 && !s.booked {
		return nil // nothing was spent since the last time
	}
	s.booked = false
	s.keepTallies(now, l)
	up := s.upTallies(now, l)
	for k := range s.touched {
		if up[k] == nil && s.finished[k] != nil {
			up[k] = newTally(k)
		}
	}
	clear(s.touched)
	for k, t := range up {
		if a, ok := s.judge(now, k, &both{s.finished[k], t}, l); ok {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Key.Kind, b.Key.Kind), cmp.Compare(a.Key.Name, b.Key.Name), cmp.Compare(b.Level, a.Level))
	})
	return list
}

// judge says whether a key has reached a limit of which nobody was told.
func (s *Spending) judge(now time.Time, k tallyKey, t *both, l *learned) (Alert, bool) {
	limits, day := s.rules.limitsOf(k.key), l.day(k.key, k.pool)
	var reached Level
	var why string
	for _, level := range []Level{Hard, Soft} {
		if why = s.reached(level, k, t, limits, day); why != "" {
			reached = level
			break
		}
	}
	tell := tellKey{k.key, reached, k.pool}
	if last, told := s.told[tell]; reached == 0 || told && !last.over(now) {
		return Alert{}, false
	}
	if last, told := s.told[tellKey{k.key, Hard, k.pool}]; told && !last.over(now) {
		return Alert{}, false
	}
	a := Alert{At: now, Key: k.key, Level: reached, Spent: t.total(), Others: k.pool == others, places: busiest(t.places()), limit: why}
	if last, told := s.told[tell]; reached == Soft && told && last.goesOn(&a) {
		return Alert{}, false
	}
	if k.key.Kind != PerAccount {
		a.Accounts = heaviest(t)
	}
	s.told[tell] = a
	return a, true
}

// reached says in words which limit of a level was reached; "" for none.
func (s *Spending) reached(level Level, k tallyKey, t *both, limits *Limits, day span) string {
	open, closed, money := t.open(), t.closed(), t.total()
	if s.learns {
		if level == Soft && k.key.Kind == PerAccount {
			return "" // the site's limit tells of it, once
		}
		if level == Hard && (k.key.Kind != PerAccount || t.up.up < crowd) {
			open, money = t.risky(), closed
			money.Add(open)
		}
	}
	measures := []struct {
		spent, base, usual int64
		words              string
	}{
		{open.Minutes(), limits.Minutes.at(level), int64(day.open / time.Minute), "%d minutes"},
		{closed.Minutes(), limits.OffHours.at(level), int64(day.closed / time.Minute), "%d minutes outside working hours"},
		{int64(money.Money / unit), limits.Money.at(level) / int64(unit), int64(day.money / unit), "%d in money"},
	}
	for _, m := range measures {
		if m.base == 0 {
			continue
		}
		limit := s.rules.limit(level, k.pool, m.base, m.usual)
		if level == Hard && t.total().Calls <= 1 {
			limit *= 2 // one long call is a conversation
		}
		if m.spent >= limit {
			return fmt.Sprintf(m.words, limit)
		}
	}
	return ""
}

// limit is a limit for a pool: twice as much for usual places, and at least as many usual
// days as the rules say.
func (r *Rules) limit(level Level, p pool, base, usual int64) int64 {
	if p == usualPlaces {
		base *= 2
	}
	return max(base, usual*r.Usual.at(level))
}

func (p Pair) at(level Level) int64 {
	if level == Hard {
		return p.Hard
	}
	return p.Soft
}

// heaviest are the accounts that spent most, until the others have spent less than half.
func heaviest(t *both) (list []string) {
	of := t.accounts()
	accounts := slices.Collect(maps.Keys(of))
	slices.SortFunc(accounts, func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b))
	})
	left := t.total().Time
	for _, a := range accounts {
		if left < t.total().Time/2 && len(list) > 0 {
			break
		}
		left -= of[a]
		if a != "" {
			list = append(list, a)
		}
	}
	return list
}

// busiest are the places that most was spent on.
func busiest(places map[string]time.Duration) []string {
	list := slices.Collect(maps.Keys(places))
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(places[b], places[a]), cmp.Compare(a, b))
	})
	list = list[:min(len(list), 5)]
	for i, p := range list {
		list[i] = cmp.Or(p, "an unknown country")
	}
	return list
}

// Words say what was spent, such as "212 minutes in 9 calls, about 412 EUR".
func (s Sum) Words(currency string) string {
	calls := "1 call"
	if s.Calls != 1 {
		calls = fmt.Sprintf("%d calls", s.Calls)
	}
	minutes := "1 minute"
	if n := s.Minutes(); n != 1 {
		minutes = fmt.Sprintf("%d minutes", n)
	}
	text := fmt.Sprintf("%s in %s, about %s %s", minutes, calls, s.Money, currency)
	if s.Estimate {
		text += " (an estimate at default rates)"
	}
	return text
}

// Reason says why the alert was raised.
func (a *Alert) Reason(currency string) string {
	what := "soft limit"
	if a.Level == Hard {
		what = "hard limit"
	}
	places := "places that are usual here"
	if a.Others {
		places = "places that are not usual"
	}
	limit := strings.Replace(a.limit, "in money", currency, 1)
	text := fmt.Sprintf("%s to %s (%s) within 24 hours: the %s is %s", a.Spent.Words(currency), places, strings.Join(a.places, ", "), what, limit)
	if a.Key.Kind == PerTrunk {
		text = "trunk " + a.Key.Name + ": " + text
	}
	if len(a.Accounts) > 0 {
		n := min(len(a.Accounts), 5)
		text += "; most of it by " + strings.Join(a.Accounts[:n], ", ")
		if more := len(a.Accounts) - n; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	return text
}

// Raised are the alerts of a level that were raised at a time.
func (s *Spending) Raised(at time.Time, level Level) (list []Alert) {
	for _, a := range s.told {
		if a.Level == level && a.At.Equal(at) {
			list = append(list, a)
		}
	}
	return list
}

// Retell has limits raised again that were raised before: nothing was done about them.
func (s *Spending) Retell() { clear(s.told) }
