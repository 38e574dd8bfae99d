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

// alertKey is what an alert is raised for once within 24 hours.
type alertKey struct {
	key   Key
	level Level
	pool  pool
}

// over says whether the alert was raised so long ago that it can be raised again.
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

// Check returns the limits that have been reached, those of accounts first. learningEnds is
// when the first days are over, in which the site is observed. It looks only at keys that have
// spent something since the last check.
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
	for _, accounts := range []bool{true, false} { // first, since they may be all there is to tell
		for k, t := range up {
			if accounts != (k.key.Kind == PerAccount) {
				continue
			}
			if a, ok := s.judge(now, k, &both{s.finished[k], t}, l); ok {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.Key.Kind, b.Key.Kind), cmp.Compare(a.Key.Name, b.Key.Name), cmp.Compare(b.Level, a.Level))
	})
	return list
}

// judge says whether a key has reached a limit for which no alert was raised.
func (s *Spending) judge(now time.Time, k tallyKey, t *both, l *learned) (Alert, bool) {
	level := Hard
	m, reached := s.reached(Hard, k, t, l)
	if !reached {
		level = Soft
		m, reached = s.reached(Soft, k, t, l)
	}
	if !reached || s.alerted(now, alertKey{k.key, level, k.pool}) || s.alerted(now, alertKey{k.key, Hard, k.pool}) {
		return Alert{}, false
	}
	a := Alert{At: now, Key: k.key, Level: level, Spent: t.sum(m.of...), Others: k.pool == others, places: busiest(t.places(m.of...)), limit: m.limit}
	if k.key.Kind != PerAccount {
		accounts := t.accounts(m.of...)
		a.Accounts = heaviest(a.Spent.Time, accounts)
		if level == Soft && accounts[""] == 0 && s.knownOf(now, a.Accounts) {
			return Alert{}, false
		}
	}
	if last, ok := s.raised[alertKey{k.key, level, k.pool}]; level == Soft && ok && last.goesOn(&a) {
		return Alert{}, false
	}
	s.raised[alertKey{k.key, level, k.pool}] = a
	return a, true
}

// alerted says whether an alert was raised within 24 hours.
func (s *Spending) alerted(now time.Time, k alertKey) bool {
	last, ok := s.raised[k]
	return ok && !last.over(now)
}

// knownOf says whether an alert was raised for each of these accounts within 24 hours. Then
// a soft limit of the site that they reached together is no news.
func (s *Spending) knownOf(now time.Time, accounts []string) bool {
	for _, name := range accounts {
		if !slices.ContainsFunc([]Level{Soft, Hard}, func(level Level) bool {
			return slices.ContainsFunc([]pool{usualPlaces, others}, func(p pool) bool {
				return s.alerted(now, alertKey{Key{PerAccount, name}, level, p})
			})
		}) {
			return false
		}
	}
	return len(accounts) > 0
}

// measured is a limit that was reached: which, in words, and of which parts.
type measured struct {
	limit string
	of    []part
}

// reached returns the limit of a level that was reached.
func (s *Spending) reached(level Level, k tallyKey, t *both, l *learned) (measured, bool) {
	limits, day, first := s.rules.limitsOf(k.key), l.day(k.key, k.pool), l.first[k.pool]
	open := part(openPart)
	if s.learns {
		if level == Soft && k.key.Kind == PerAccount {
			return measured{}, false // the site's limit raises one alert for all
		}
		if level == Soft && k.key.Kind == PerSite {
			day.open, day.money = max(day.open, first.open), max(day.money, first.money)
		}
		if level == Hard && (k.key.Kind != PerAccount || t.up.up < crowd) {
			open = riskyPart
		}
	}
	inside, outside, all := t.sum(open), t.sum(closedPart), t.sum(open, closedPart)
	for i, m := range [...]struct {
		spent             *Sum
		used, base, usual int64
		words             string
	}{
		{&inside, inside.Minutes(), limits.Minutes.at(level), int64(day.open / time.Minute), "%d minutes"},
		{&outside, outside.Minutes(), limits.OffHours.at(level), int64(day.closed / time.Minute), "%d minutes outside working hours"},
		{&all, int64(all.Money / unit), limits.Money.at(level) / int64(unit), int64(day.money / unit), "%d in money"},
	} {
		if m.base == 0 {
			continue
		}
		limit := s.rules.limit(level, k.pool, m.base, m.usual)
		if level == Hard && m.spent.Calls <= 1 || m.spent == &outside && t.oneByOne(k, level) {
			limit *= 2 // one long call is a conversation
		}
		if m.used >= limit {
			return measured{fmt.Sprintf(m.words, limit), [][]part{{open}, {closedPart}, {open, closedPart}}[i]}, true
		}
	}
	return measured{}, false
}

// toUsualPlaces is how many times as much may be spent on usual places. Whoever travels calls
// home in the evening and at weekends, for an hour or two on some days.
var toUsualPlaces = Pair{Soft: 2, Hard: 3}

// limit is a limit for a pool: some times as much for usual places, and at least as many
// usual days as the rules say.
func (r *Rules) limit(level Level, p pool, base, usual int64) int64 {
	if p == usualPlaces {
		base *= toUsualPlaces.at(level)
	}
	return max(base, usual*r.Usual.at(level))
}

// oneByOne says whether an account calls as a person does who works late, or travels: one
// call after another, and if the limit is for all, nobody else does. A thief with one line
// could use twice a limit anyway, in one call. Of places that are not usual somebody is told
// all the same.
func (b *both) oneByOne(k tallyKey, level Level) bool {
	switch {
	case b.up.up > 1 || level == Soft && (k.pool != usualPlaces || k.key.Kind != PerAccount):
		return false
	case k.key.Kind == PerAccount:
		return true
	}
	accounts := b.accounts(closedPart)
	return len(accounts) == 1 && accounts[""] == 0
}

func (p Pair) at(level Level) int64 {
	if level == Hard {
		return p.Hard
	}
	return p.Soft
}

// heaviest are the accounts that spent most, until the others have spent less than half.
func heaviest(total time.Duration, of map[string]time.Duration) (list []string) {
	accounts := slices.Collect(maps.Keys(of))
	slices.SortFunc(accounts, func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b))
	})
	left := total
	for _, a := range accounts {
		if left < total/2 && len(list) > 0 {
			break
		}
		left -= of[a]
		if a != "" {
			list = append(list, a)
		}
	}
	return list
}

// busiest are the five places that most was spent on.
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
	for _, a := range s.raised {
		if a.Level == level && a.At.Equal(at) {
			list = append(list, a)
		}
	}
	return list
}

// RaiseAgain has alerts raised again that were raised before: nothing was done about them.
func (s *Spending) RaiseAgain() { clear(s.raised) }
