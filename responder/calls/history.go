package calls

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// Records of past calls say which countries an account calls, but not from where: with
// them, the first days are over for calls and not for networks.

// Teach takes over what records of past calls tell. It keeps what is known already.
func (d *Detector) Teach(now time.Time, habits []Habit) {
	for _, h := range habits {
		if h.Kind == HabitHistory {
			d.history.widen(h)
			d.keepHistory(now)
			continue
		}
		a := d.state(now, h.Account)
		if a == nil {
			continue
		}
		switch h.Kind {
		case HabitCall:
			a.calls.widen(h)
		case HabitCountry:
			if a.countries[h.Value] == nil {
				if len(a.countries) >= maxCountries {
					continue
				}
				a.countries[h.Value] = &usage{}
			}
			a.countries[h.Value].widen(h)
		}
	}
}

// widen adds a time in which a habit was seen.
func (s *usage) widen(h Habit) {
	if s.first.IsZero() || h.First.Before(s.first) {
		s.first = h.First
	}
	if h.Last.After(s.last) {
		s.last = h.Last
	}
}

// keepHistory forgets since when calls are known if they were not seen for too long since.
func (d *Detector) keepHistory(now time.Time) {
	last := d.history.last
	if d.since.Before(now) && last.Before(d.uptime.last) && d.since.Sub(last) < longestPause {
		last = d.uptime.last
	}
	if now.Sub(last) >= longestPause {
		d.history = usage{}
	}
}

// Taught reports whether records of past calls have told what is usual.
func (d *Detector) Taught() bool { return !d.history.first.IsZero() }

// callsSince is since when calls are known, by their records or because they were seen.
func (d *Detector) callsSince() time.Time {
	if d.Taught() && d.history.first.Before(d.since) {
		return d.history.first
	}
	return d.since
}

// callsKnown reports whether the first days are over, in which no call is new.
func (d *Detector) callsKnown(now time.Time) bool { return now.Sub(d.callsSince()) >= d.rules.Learn }

// Forbids reports whether an account may not call a number.
func (r *Rules) Forbids(account string, n *numbers.Number) bool {
	_, _, forbidden := r.limitsOf(account).Destinations.forbids(n)
	return forbidden
}

// Carrier reports whether an account is configured as a carrier.
func (r *Rules) Carrier(account string) bool { return r.isCarrier(account) }

// MostOffHours is how many calls an account may make within an hour outside working hours.
func (r *Rules) MostOffHours(account string) int { return r.limitsOf(account).OffHours }
