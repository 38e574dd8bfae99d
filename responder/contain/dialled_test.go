package contain

import (
	"fmt"
	"testing"
	"time"
)

// A thief dials many numbers, an owner one number many times.
func TestManyCostlyNumbers(t *testing.T) {
	start := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		numbers             []string
		every               time.Duration
		abroad              bool // in countries never called before
		many, manyNewPlaces bool
	}{
		"an owner redials":              {[]string{"1", "1", "1", "1", "1", "1"}, time.Minute, true, false, false},
		"an owner tries four numbers":   {[]string{"1", "2", "3", "4", "1", "2"}, time.Minute, true, false, false},
		"a thief tries five":            {[]string{"1", "2", "3", "4", "5"}, time.Minute, true, true, true},
		"five in a country as before":   {[]string{"1", "2", "3", "4", "5"}, time.Minute, false, true, false},
		"five in an afternoon":          {[]string{"1", "2", "3", "4", "5"}, 31 * time.Minute, true, false, false},
		"a thief redials, then another": {[]string{"1", "1", "2", "2", "3", "4", "4", "5"}, 8 * time.Minute, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var c CostlyNumbers
			now := start
			for _, number := range tc.numbers {
				now = now.Add(tc.every)
				c.Add(now, "1002", number, tc.abroad)
			}
			if many, abroad := c.Many(now, "1002", false), c.Many(now, "1002", true); many != tc.many || abroad != tc.manyNewPlaces {
				t.Errorf("many: %v, in new countries: %v", many, abroad)
			}
			if c.Many(now, "1003", false) {
				t.Error("another account dials many")
			}
			if c.Prune(now.Add(time.Hour)); len(c.by) != 0 {
				t.Errorf("left: %v", c.by)
			}
		})
	}
}

func TestCostlyNumbersAreBounded(t *testing.T) {
	var c CostlyNumbers
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i := range maxDiallers + 9 {
		c.Add(now, fmt.Sprint(i), "1", true)
	}
	for i := range 2 * maxDialled {
		c.Add(now, "7", fmt.Sprint(i), true)
	}
	if len(c.by) != maxDiallers || len(c.by["7"]) != maxDialled {
		t.Errorf("%d accounts, %d numbers of one", len(c.by), len(c.by["7"]))
	}
}
