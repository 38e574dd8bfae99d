package history

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Learned is what the records have taught.
type Learned struct {
	Habits  []calls.Habit
	Uses    []spending.Use // one for each day of an account at a place, within and outside working hours
	Summary Summary
}

// Suspicion is an account whose calls look like a thief's, on some days.
type Suspicion struct {
	Account     string
	First, Last time.Time // the days
	Calls       int       // costly ones on these days
}

// Learned returns what was learned.
func (l *Learner) Learned() Learned {
	out := Learned{Summary: l.summary}
	s := &out.Summary
	for _, name := range slices.Sorted(maps.Keys(l.accounts)) {
		if l.carriers[name] || l.rules.Calls.Carrier(name) {
			continue
		}
		a := l.accounts[name]
		if !a.first.IsZero() {
			s.Accounts++
			out.Habits = append(out.Habits, calls.Habit{Account: name, Kind: calls.HabitCall, First: a.first, Last: a.last})
		}
		l.teach(name, a, &out)
	}
	slices.SortFunc(out.Uses, func(a, b spending.Use) int {
		return cmp.Or(cmp.Compare(b.Hour, a.Hour), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Place, b.Place))
	})
	if more := len(out.Uses) - maxUses; more > 0 {
		s.Left += uint64(more) // the oldest
		out.Uses = out.Uses[:maxUses]
	}
	l.since(&out)
	s.Places = len(placesOf(out.Uses))
	return out
}

// teach adds what an account's days tell that are not suspicious.
func (l *Learner) teach(name string, a *account, out *Learned) {
	suspect := l.suspicious(name, a)
	l.suspect(name, a, suspect, out)
	siteMost := tooMuchAtNight(l.rules.Spending.Site)
	type key struct {
		day    int64
		place  string
		closed bool
	}
	uses := map[key]spending.Use{}
	on := map[string]map[int64]bool{}
	habit := map[string]calls.Habit{}
	for p, x := range a.places {
		if suspect[p.day] || p.night && siteMost > 0 && l.night[p.day] > siteMost {
			out.Summary.Suspicious += x.Calls
			continue
		}
		k := key{p.day, p.name, p.closed}
		u, known := uses[k]
		if known {
			u.Hour = min(u.Hour, x.Hour)
			u.Add(x.Sum)
		} else {
			u = x.Use
		}
		uses[k] = u
		out.Summary.Taught += x.Calls
		if x.country == "" {
			continue
		}
		if on[x.country] == nil {
			on[x.country] = map[int64]bool{}
			habit[x.country] = calls.Habit{Account: name, Kind: calls.HabitCountry, Value: x.country, First: x.first, Last: x.last}
		}
		on[x.country][p.day] = true
		h := habit[x.country]
		if x.first.Before(h.First) {
			h.First = x.first
		}
		if x.last.After(h.Last) {
			h.Last = x.last
		}
		habit[x.country] = h
	}
	for _, u := range uses {
		out.Uses = append(out.Uses, u)
	}
	for _, country := range slices.Sorted(maps.Keys(on)) {
		if len(on[country]) >= countryDays {
			out.Habits = append(out.Habits, habit[country])
			out.Summary.Countries++
		}
	}
}

// suspicious are the days of an account whose costly calls teach nothing.
func (l *Learner) suspicious(name string, a *account) map[int64]bool {
	days := map[int64]bool{}
	hard := tooMuchAtNight(l.rules.Spending.LimitsOf(name))
	most := l.rules.Calls.MostOffHours(name)
	for n, d := range a.days {
		bad := d.risky >= fewRisky || hard > 0 && d.night > hard
		for _, h := range d.hours {
			bad = bad || h.all > mostCosts || most > 0 && int(h.night) > most
		}
		if bad {
			days[n-1], days[n], days[n+1] = true, true, true
		}
	}
	return days
}

// maxSuspects bounds the suspicions that are told.
const maxSuspects = 20

func (l *Learner) suspect(name string, a *account, days map[int64]bool, out *Learned) {
	x := Suspicion{Account: name}
	for n, d := range a.days {
		if !days[n] {
			continue
		}
		at := time.Unix(n*86400, 0).UTC()
		if x.First.IsZero() || at.Before(x.First) {
			x.First = at
		}
		if at.After(x.Last) {
			x.Last = at
		}
		for _, h := range d.hours {
			x.Calls += int(h.all)
		}
	}
	if x.Calls == 0 {
		return
	}
	s := &out.Summary
	s.Suspects = append(s.Suspects, x)
	slices.SortStableFunc(s.Suspects, func(a, b Suspicion) int { return b.Calls - a.Calls })
	s.Suspects = s.Suspects[:min(len(s.Suspects), maxSuspects)]
}

// longestPause is how old the newest record may be if nobody called since, rather than that
// the records end: longer than a long weekend.
const longestPause = 7 * 24 * time.Hour

// since adds since when the calls of the site are known. A site that calls on few days is
// not known as soon as another one: a week counts with five days.
func (l *Learner) since(out *Learned) {
	s := &out.Summary
	if len(l.callDays) == 0 || l.now.Sub(s.To) >= longestPause {
		return
	}
	known := time.Duration(len(l.callDays)) * 24 * time.Hour * 7 / 5
	s.Since = l.now.Add(-known)
	if s.From.After(s.Since) {
		s.Since = s.From
	}
	out.Habits = append(out.Habits, calls.Habit{Kind: calls.HabitHistory, First: s.Since, Last: l.now})
}

func placesOf(uses []spending.Use) map[string]bool {
	places := map[string]bool{}
	for i := range uses {
		places[uses[i].Place] = true
	}
	return places
}
