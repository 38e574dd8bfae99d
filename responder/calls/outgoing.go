package calls

import (
	"fmt"
	"time"
)

// signs gathers the signs of one call.
type signs struct {
	list    []Sign
	account *account
	channel string
	number  *Number
	from    Login
	hint    Login
}

func (s *signs) add(k Kind, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	if s.number != nil {
		detail = s.number.Digits + ": " + detail
	}
	s.list = append(s.list, Sign{Kind: k, Account: s.account.name, Channel: s.channel, From: s.from, Hint: s.hint, Detail: detail})
}

// judge looks at one call that leaves the house.
func (d *Detector) judge(now time.Time, a *account, s *signs) {
	a.forbidden(s)
	a.rate(now, s)
	if live := d.Outgoing(a.name); live > a.limits.Concurrent && a.limits.Concurrent > 0 {
		s.add(ConcurrentCalls, "%d calls at once", live)
	}
	a.probing(now, s)
	if d.rules.Hours.off(now) {
		a.offHours(now, d.Outgoing(a.name), s)
	}
	d.dormant(now, a, s)
	d.country(now, a, s)
}

func (a *account) forbidden(s *signs) {
	if why, forbidden := a.limits.Destinations.forbids(s.number); forbidden {
		s.add(ForbiddenDestination, "%s %s", s.number.where(), why)
	}
}

func (n *Number) where() string {
	if n.Country == "" {
		return "somewhere,"
	}
	return n.Country + ","
}

// rate keeps the start of the call and looks at those before it.
func (a *account) rate(now time.Time, s *signs) {
	if last := len(a.starts) - 1; last >= 0 {
		if gap := now.Sub(a.starts[last]); gap < a.limits.Gap {
			s.add(Cadence, "%s after the call before", gap.Round(time.Millisecond))
		}
	}
	for len(a.starts) > 0 && (now.Sub(a.starts[0]) >= hour || len(a.starts) >= maxStarts) {
		a.starts = a.starts[1:]
	}
	a.starts = append(a.starts, now)
	if n := a.since(now.Add(-minute)); n >= a.limits.Rate && a.limits.Rate > 0 {
		s.add(CallRate, "call %d within a minute", n)
	}
}

// since counts the calls that started after t.
func (a *account) since(t time.Time) int {
	n := 0
	for i := len(a.starts) - 1; i >= 0 && a.starts[i].After(t); i-- {
		n++
	}
	return n
}

// offHours applies the limits of the night.
func (a *account) offHours(now time.Time, live int, s *signs) {
	if n := a.since(now.Add(-hour)); n > a.limits.OffHours {
		s.add(OffHours, "call %d within an hour, outside the hours", n)
	} else if live > a.limits.OffHoursConcurrent {
		s.add(OffHours, "%d calls at once, outside the hours", live)
	}
}

// probing groups what was dialled by the longest common end: a thief who does
// not know how the site dials tries one number behind different prefixes.
func (a *account) probing(now time.Time, s *signs) {
	digits := s.number.Digits
	kept, again := a.dialed[:0], false
	for _, e := range a.dialed {
		if e.digits == digits {
			e.at, again = now, true
		}
		if now.Sub(e.at) < ProbeWithin {
			kept = append(kept, e)
		}
	}
	a.dialed = kept
	if again {
		return // no further way to dial it
	}
	ways := 1
	for _, e := range kept {
		if commonEnd(e.digits, digits) >= sameNumber {
			ways++
		}
	}
	if ways >= a.limits.Variants && a.limits.Variants > 0 {
		s.add(DialProbing, "way %d to dial one number", ways)
	}
	if len(kept) >= maxDialed {
		kept = append(kept[:0], kept[1:]...)
	}
	a.dialed = append(kept, dialed{digits, now})
}

func commonEnd(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// dormant says that an account was asleep until this call.
func (d *Detector) dormant(now time.Time, a *account, s *signs) {
	last := a.last.last
	if last.Before(d.since) {
		last = d.since // nobody knows what was before
	}
	if silent := now.Sub(last); silent >= a.limits.Dormant && a.limits.Dormant > 0 {
		s.add(Dormant, "the first call after %d days", int(silent.Hours()/24))
	}
	if a.last.see(now) {
		d.tell(Habit{a.name, HabitCall, "", a.last.first, a.last.last})
	}
}

// country keeps where the account calls.
func (d *Detector) country(now time.Time, a *account, s *signs) {
	n := s.number
	if n.Country == "" {
		return
	}
	known := a.countries[n.Country]
	if known == nil {
		if len(a.countries) >= maxCountries {
			return
		}
		known = &span{}
		a.countries[n.Country] = known
		if n.Foreign && d.learned(now) {
			s.add(NewCountry, "the first call to %s", n.Country)
		}
	}
	if known.see(now) {
		d.tell(Habit{a.name, HabitCountry, n.Country, known.first, known.last})
	}
}
