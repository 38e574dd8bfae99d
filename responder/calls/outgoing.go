package calls

import (
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// signs collects the signs of one call.
type signs struct {
	list    []Sign
	account *accountState
	channel string
	number  *numbers.Number
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

// checkOutgoing checks one outgoing call.
func (d *Detector) checkOutgoing(now time.Time, a *accountState, s *signs) {
	a.checkDestination(s)
	a.checkRate(now, s)
	if live := d.Outgoing(a.name); live > a.limits.Concurrent && a.limits.Concurrent > 0 {
		s.add(ConcurrentCalls, "%d calls at once", live)
	}
	again, ordinary := a.checkProbing(now, s), d.ordinary(now, a, s)
	if !again && !ordinary {
		a.fresh = recent(append(a.fresh, now), now)
	}
	if !ordinary && d.rules.Hours.closed(now) {
		a.checkOffHours(now, d.Outgoing(a.name), again, s)
	}
	d.checkDormant(now, a, s)
	d.checkCountry(now, a, s)
	d.checkWhereTo(now, a, s)
}

func (a *accountState) checkDestination(s *signs) {
	country, reason, forbidden := a.limits.Destinations.forbids(s.number)
	if country == "" {
		country = "unknown country"
	}
	if forbidden {
		s.add(ForbiddenDestination, "%s, %s", numbers.CountryName(country), numbers.CountryName(reason))
	}
}

// checkRate records the start of the call and checks it against earlier starts.
func (a *accountState) checkRate(now time.Time, s *signs) {
	if last := len(a.starts) - 1; last >= 0 {
		if gap := now.Sub(a.starts[last]); gap < a.limits.Gap {
			s.add(Cadence, "%s after the previous call", gap.Round(time.Millisecond))
		}
	}
	a.starts = recent(append(a.starts, now), now)
	if n := since(a.starts, now.Add(-minute)); n >= a.limits.Rate && a.limits.Rate > 0 {
		s.add(CallRate, "call %d within a minute", n)
	}
}

// recent are the starts that still count, the newest at the end.
func recent(starts []time.Time, now time.Time) []time.Time {
	for now.Sub(starts[0]) >= hour || len(starts) > maxStarts {
		starts = starts[1:]
	}
	return starts
}

// since counts the starts after t.
func since(starts []time.Time, t time.Time) (n int) {
	for i := len(starts) - 1; i >= 0 && starts[i].After(t); i-- {
		n++
	}
	return n
}

// hastily is the time in which nobody sets up hasty calls by hand.
const (
	hastily = 10 * time.Second
	hasty   = 3
)

// Hasty reports whether an account has just set up calls faster than a person dials.
func (d *Detector) Hasty(now time.Time, account string) bool {
	a := d.accounts[account]
	return a != nil && since(a.starts, now.Add(-hastily)) >= hasty
}

// ordinary reports whether a call costs no more than others, is dialled by hand and comes
// from where its account has long been used. Night shifts and rotas make many of them, and
// lobbies one a year.
func (d *Detector) ordinary(now time.Time, a *accountState, s *signs) bool {
	return d.cost(a.limits, s.number) == "" && !d.Hasty(now, a.name) && d.atHome(now, a, s)
}

// atHome reports whether a call comes, as far as anybody knows, from where its account has
// long been used.
func (d *Detector) atHome(now time.Time, a *accountState, s *signs) bool {
	from := s.from.Source
	if !from.IsValid() {
		from = s.hint.Source
	}
	return from.IsValid() && d.places.Home(now, a.name, from)
}

// checkOffHours applies the limits outside working hours. Whoever dials a number again
// could not get through, and makes no further call.
func (a *accountState) checkOffHours(now time.Time, live int, again bool, s *signs) {
	if n := since(a.fresh, now.Add(-hour)); n > a.limits.OffHours && !again {
		s.add(OffHours, "call %d within an hour, outside working hours", n)
	} else if live > a.limits.OffHoursConcurrent {
		s.add(OffHours, "%d calls at once, outside working hours", live)
	}
}

// checkProbing looks for forms of the same number. An attacker who does not know how the
// site dials tries one number with different prefixes. It returns whether the number was
// dialled the same way within ProbeWithin.
func (a *accountState) checkProbing(now time.Time, s *signs) (again bool) {
	digits := s.number.Digits
	kept := a.dialed[:0]
	for _, e := range a.dialed {
		if e.number.Digits == digits {
			e.at, again = now, true
		}
		if now.Sub(e.at) < ProbeWithin {
			kept = append(kept, e)
		}
	}
	a.dialed = kept
	if again {
		return true
	}
	if ways := 1 + len(formsOf(s.number, kept)); ways >= a.limits.Variants && a.limits.Variants > 0 {
		s.add(DialProbing, "way %d to dial one number", ways)
	}
	if len(kept) >= maxDialedNumbers {
		kept = append(kept[:0], kept[1:]...)
	}
	a.dialed = append(kept, dialedNumber{*s.number, now})
	return false
}

// formsOf returns the dialled strings that are forms of a number, or of one of its forms:
// what an attacker tries before a number that cannot be read is compared with the number
// alone.
func formsOf(n *numbers.Number, dialed []dialedNumber) (forms []*numbers.Number) {
	forms = append(forms, n)
	rest := make([]*numbers.Number, len(dialed))
	for i := range dialed {
		rest[i] = &dialed[i].number
	}
	for i := 0; i < len(forms); i++ {
		rest = slices.DeleteFunc(rest, func(m *numbers.Number) bool {
			same := forms[i].Same(m)
			if same {
				forms = append(forms, m)
			}
			return same
		})
	}
	return forms[1:]
}

// checkDormant checks whether an account made no calls for a long time before this one.
func (d *Detector) checkDormant(now time.Time, a *accountState, s *signs) {
	last := a.calls.last
	since := d.since
	if !last.IsZero() {
		since = d.callsSince()
	}
	if last.Before(since) {
		last = since // nothing is known about the time before
	}
	if silent := now.Sub(last); silent >= a.limits.Dormant && a.limits.Dormant > 0 && !d.ordinary(now, a, s) {
		s.add(Dormant, "the first call after %d days", int(silent.Hours()/24))
	}
	if a.calls.record(now) {
		d.report(Habit{a.name, HabitCall, "", a.calls.first, a.calls.last})
	}
}

// checkCountry records the country that the account calls, and checks whether it is new.
func (d *Detector) checkCountry(now time.Time, a *accountState, s *signs) {
	n := s.number
	if n.Country == "" {
		return
	}
	known := a.countries[n.Country]
	if known == nil {
		if len(a.countries) >= maxCountries {
			return
		}
		known = &usage{}
		a.countries[n.Country] = known
		if n.Foreign && d.callsKnown(now) {
			s.add(NewCountry, "the first call to %s", numbers.CountryName(n.Country))
		}
	}
	if known.record(now) {
		d.report(Habit{a.name, HabitCountry, n.Country, known.first, known.last})
	}
}
