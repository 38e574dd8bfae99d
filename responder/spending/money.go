package spending

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Money is an amount in millionths of the site's currency.
type Money int64

// unit is one of the currency.
const unit Money = 1_000_000

// Units makes Money of an amount in the currency.
func Units(n int) Money { return Money(n) * unit }

// Float is the amount in the currency.
func (m Money) Float() float64 { return float64(m) / float64(unit) }

// String is the amount as people write it: whole from ten on.
func (m Money) String() string {
	if m >= 10*unit {
		return fmt.Sprintf("%.0f", m.Float())
	}
	return fmt.Sprintf("%.2f", m.Float())
}

// decimal is the exact amount.
func (m Money) decimal() string {
	text := fmt.Sprintf("%d.%06d", m/unit, m%unit)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Rate is what a call to a prefix costs.
type Rate struct {
	PerMinute   Money
	Fee         Money  // for each call that is answered
	First, Step uint16 // seconds that are billed at least, and then at a time: 60 and 60, or 1 and 1
	Name        string // of the destination, as the carrier calls it
}

// Price is what a call of that length costs.
func (r Rate) Price(length time.Duration) Money {
	if length < 0 {
		return 0
	}
	seconds := min(int64((length+time.Second-1)/time.Second), longest)
	first, step := max(int64(r.First), 1), max(int64(r.Step), 1)
	billed := first
	if over := seconds - first; over > 0 {
		billed += (over + step - 1) / step * step
	}
	price := float64(r.Fee) + float64(r.PerMinute)*float64(billed)/60
	return Money(min(math.Round(price), float64(math.MaxInt64/1024)))
}

// longest bounds the seconds of one call that count.
const longest = 30 * 24 * 3600

// defaultRates are what a minute costs at most, roughly: rather too much than too little,
// since an estimate that is too low hides a theft. They are estimates, no carrier's
// tariff, and say so wherever they are used.
var defaultRates = [classCount]Rate{
	Personal:      {PerMinute: unit / 2, First: 60, Step: 60},
	International: {PerMinute: unit / 2, First: 60, Step: 60},
	HighRisk:      {PerMinute: unit, First: 60, Step: 60},
	Premium:       {PerMinute: 3 * unit, First: 60, Step: 60},
	Satellite:     {PerMinute: 8 * unit, First: 60, Step: 60},
}

// DefaultRate is the rate of a class where the table has none.
func DefaultRate(c Class) Rate { return defaultRates[min(c, classCount-1)] }
