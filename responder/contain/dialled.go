package contain

import (
	"slices"
	"time"
)

// CostlyNumbers are those that accounts dialled lately from addresses where they are not
// known. The zero value is ready to use.
type CostlyNumbers struct {
	by map[string][]dialled
}

// dialled is one such number.
type dialled struct {
	number string
	at     time.Time
	abroad bool // in a country that the account had never called
}

const (
	// dialledWithin is how long a number counts.
	dialledWithin = time.Hour
	// manyNumbers are more than an owner dials who cannot get through: that is one number
	// again and again, or on a journey those of three or four people.
	manyNumbers = 5
	// maxDialled bounds the numbers kept for an account, and maxDiallers the accounts. Each
	// takes an account's password.
	maxDialled  = 16
	maxDiallers = 1 << 14
)

// Add records that an account dialled a number. abroad says that it had never called that
// country.
func (c *CostlyNumbers) Add(now time.Time, account, number string, abroad bool) {
	list, known := c.by[account]
	switch {
	case c.by == nil:
		c.by = map[string][]dialled{}
	case !known && len(c.by) >= maxDiallers:
		return
	}
	list = slices.DeleteFunc(list, func(d dialled) bool { return d.number == number || now.Sub(d.at) >= dialledWithin })
	if len(list) >= maxDialled {
		list = list[1:]
	}
	c.by[account] = append(list, dialled{number, now, abroad})
}

// Many says whether an account dialled so many different numbers within an hour, of
// countries that it had never called if abroad is true, that this is a thief.
func (c *CostlyNumbers) Many(now time.Time, account string, abroad bool) bool {
	n := 0
	for _, d := range c.by[account] {
		if now.Sub(d.at) < dialledWithin && (d.abroad || !abroad) {
			n++
		}
	}
	return n >= manyNumbers
}

// Prune forgets the numbers that no longer count.
func (c *CostlyNumbers) Prune(now time.Time) {
	for account, list := range c.by {
		if last := list[len(list)-1]; now.Sub(last.at) >= dialledWithin {
			delete(c.by, account)
		}
	}
}
