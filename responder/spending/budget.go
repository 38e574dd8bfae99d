package spending

import (
	"path"
	"slices"
	"time"
)

// Pair is a soft and a hard limit; 0 is no limit.
type Pair struct{ Soft, Hard int64 }

// Limits are what may be spent within 24 hours on calls to places that are not usual.
type Limits struct {
	Minutes  Pair // within working hours
	OffHours Pair // minutes outside working hours
	Money    Pair // at any time, in millionths of the currency
}

// Rules are the budgets of a site.
type Rules struct {
	Account Limits // of accounts without a group
	Groups  []Group
	Site    Limits
	Trunk   Limits
	// Usual says how often the usual day's spending fits into the soft and the hard limit.
	Usual Pair
	Rates *Rates // nil: default rates
	Zone  *time.Location
	// Closed says whether the site is closed at a time; nil: it never is.
	Closed func(time.Time) bool
	// Learn is how long it takes until what is new counts as usual.
	Learn time.Duration
}

// Budget is what the operator decided about the costs of calls.
type Budget struct {
	Rules
	Block    time.Duration // how long a hard limit blocks costly calls
	Currency string
}

// Group is a group of accounts with limits of its own.
type Group struct {
	Accounts []string // names, or patterns with * and ?; an exact name takes precedence
	Limits   Limits
}

// limitsOf are the limits of a key.
func (r *Rules) limitsOf(k Key) *Limits {
	switch k.Kind {
	case PerSite:
		return &r.Site
	case PerTrunk:
		return &r.Trunk
	}
	for i := range r.Groups {
		if slices.Contains(r.Groups[i].Accounts, k.Name) {
			return &r.Groups[i].Limits
		}
	}
	for i := range r.Groups {
		if slices.ContainsFunc(r.Groups[i].Accounts, func(p string) bool { ok, err := path.Match(p, k.Name); return err == nil && ok }) {
			return &r.Groups[i].Limits
		}
	}
	return &r.Account
}

// closed says whether the site is closed.
func (r *Rules) closed(at time.Time) bool { return r.Closed != nil && r.Closed(at) }

// Price is what a call costs. known says whether the carrier's table has the number.
func (r *Rules) Price(c *Call, length time.Duration) (m Money, known bool) {
	rate, known := r.rate(c)
	return rate.Price(length), known
}

func (r *Rules) rate(c *Call) (rate Rate, known bool) {
	if rate, known = r.Rates.Find(c.E164); !known {
		rate = DefaultRate(c.Class)
	}
	return rate, known
}

// Kind is whose spending is counted.
type Kind uint8

// Spending is counted for each account, for each trunk and for the site.
const (
	PerAccount Kind = iota + 1
	PerTrunk
	PerSite
)

// Key is an account, a trunk or the site.
type Key struct {
	Kind Kind
	Name string // "" for the site
}

// Sum is what was spent.
type Sum struct {
	Time     time.Duration // each call counts for a minute at least
	Calls    int
	Money    Money
	Estimate bool // some of the money is at default rates
}

// Add adds what else was spent.
func (s *Sum) Add(o Sum) {
	s.Time += o.Time
	s.Calls += o.Calls
	s.Money += o.Money
	s.Estimate = s.Estimate || o.Estimate
}

// Minutes are the begun minutes of the whole.
func (s Sum) Minutes() int64 { return int64((s.Time + time.Minute - 1) / time.Minute) }
