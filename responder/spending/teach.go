package spending

import "time"

// NewCall is a call to a number as package numbers reads it; of class None if it does not
// count.
func NewCall(e164, country, kind string, foreign bool) Call {
	c := Call{E164: e164, Place: country, Class: ClassOf(country, kind, foreign)}
	switch c.Class {
	case Premium, Satellite, Personal:
		c.Place = c.Class.String()
	}
	return c
}

// Risky reports whether fraud prefers the numbers of a class.
func (c Class) Risky() bool { return c.risky() }

// Uses calls see for what a finished call has spent, by hour, within and outside working
// hours.
func (r *Rules) Uses(c Call, answered, ended time.Time, see func(Use)) {
	r.cut(&running{Call: c, answered: answered}, ended, see)
}

// Teach takes over what was spent on days of the past, from records of calls: it counts for
// what is usual, and for no limit. It returns what was new. What an account has spent on a
// place on a day is taken once, so that nothing counts twice which was seen or taught before.
func (s *Spending) Teach(list []Use) (fresh []Use) {
	for _, u := range list {
		d := dayOf{s.rules.day(time.Unix(u.Hour*3600, 0)), u.Account, u.Place, u.Closed}
		if _, known := s.days[d]; known || len(s.days) >= maxDays {
			continue
		}
		s.days[d] = u.Sum
		fresh = append(fresh, u)
	}
	s.stale = s.stale || len(fresh) > 0
	return fresh
}

// LimitsOf are the limits of an account.
func (r *Rules) LimitsOf(account string) Limits { return *r.limitsOf(Key{PerAccount, account}) }
