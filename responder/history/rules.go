package history

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Rules are the rules of the site by which calls of the past are judged.
type Rules struct {
	Calls    calls.Rules
	Spending spending.Rules // with the site's hours
}

// Limits of what is learned.
const (
	// MaxAge is how old a record may be: what is usual is learned from eight weeks.
	MaxAge = 60 * 24 * time.Hour
	// MaxRecords bounds the records that are read.
	MaxRecords = 5_000_000
	// untaught is how long ago a call must have been: a person has to have the time to
	// notice a fraud.
	untaught = 24 * time.Hour

	maxAccounts = 20_000
	maxDays     = 400_000 // an account's days at a place
	maxUses     = 100_000 // that are taught

	// fewRisky is how many calls known for fraud make a day suspicious.
	fewRisky = 3
	// mostCosts is how many costly calls a person makes within an hour.
	mostCosts = 60
	// countryDays is on how many days a country must have been called to be usual.
	countryDays = 2
)

// call is what a number costs that was dialled or sent; of class None if it does not count.
// What costs more counts, as it does live.
func (l *Learner) call(account string, dialled, sent []byte) (c spending.Call, n numbers.Number, forbidden bool) {
	r := &l.rules
	number := l.readings.of(string(dialled), func(s string) reading {
		n, emergency := r.Calls.Dialling.ReadCall(s)
		return reading{n, emergency}
	})
	n = number.Number
	if number.emergency {
		return c, n, false
	}
	c, forbidden = r.cost(account, &n)
	if len(sent) == 0 || string(sent) == string(dialled) {
		return c, n, forbidden
	}
	number = l.sent.of(string(sent), func(s string) reading {
		return reading{r.Calls.Dialling.ReadSent(s), r.Calls.Dialling.Emergency(s)}
	})
	m := number.Number
	if number.emergency {
		return c, n, forbidden
	}
	if d, f := r.cost(account, &m); f && !forbidden || d.Class > c.Class || d.Class == c.Class && d.E164 != "" && c.E164 == "" {
		return d, m, f || forbidden
	}
	return c, n, forbidden
}

// reading is what a number means; emergency if it is one for help.
type reading struct {
	numbers.Number
	emergency bool
}

// readings remember what numbers mean: most are called again.
type readings map[string]reading

const maxReadings = 1 << 15

func (all *readings) of(number string, read func(string) reading) reading {
	x, known := (*all)[number]
	if !known {
		if *all == nil || len(*all) >= maxReadings {
			*all = readings{}
		}
		x = read(number)
		(*all)[number] = x
	}
	return x
}

func (r *Rules) cost(account string, n *numbers.Number) (c spending.Call, forbidden bool) {
	if n.External {
		c = spending.NewCall(n.E164, n.Country, n.Type, n.Foreign)
	}
	return c, r.Calls.Forbids(account, n)
}

// night reports whether few people work.
func (r *Rules) night(at time.Time) bool {
	if len(r.Calls.Hours.Open) > 0 {
		return r.Calls.Hours.Closed(at)
	}
	at = at.In(r.zone())
	return at.Weekday() == time.Saturday || at.Weekday() == time.Sunday || at.Hour() < 7 || at.Hour() >= 20
}

func (r *Rules) zone() *time.Location {
	if r.Spending.Zone != nil {
		return r.Spending.Zone
	}
	return time.UTC
}

// day numbers the days of the site's time zone.
func (r *Rules) day(at time.Time) int64 {
	_, offset := at.In(r.zone()).Zone()
	return (at.Unix() + int64(offset)) / 86400
}

// tooMuchAtNight is the time that an account, or the site, may use at night.
func tooMuchAtNight(l spending.Limits) time.Duration {
	hard := l.OffHours.Hard
	if hard == 0 {
		hard = l.Minutes.Hard
	}
	return time.Duration(hard) * time.Minute
}
