package spending

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// columns says which column of a file holds what; -1 is none.
type columns struct {
	prefix, rate, fee, increment, name int
	cents                              bool // the rate is in hundredths
}

// Words by which columns are found, in lower case without spaces. The first that fits
// counts.
var (
	prefixWords    = []string{"prefix", "dialcode", "dialingcode", "diallingcode", "areacode", "code", "breakout", "vorwahl", "indicatif", "prefijo", "prefisso"}
	rateWords      = []string{"rateperminute", "priceperminute", "perminute", "permin", "/min", "rate", "price", "tariff", "cost", "charge", "preis", "tarif", "prix", "precio", "prezzo"}
	feeWords       = []string{"connectionfee", "connectfee", "connectioncharge", "setup", "connect", "percall", "fee", "surcharge"}
	incrementWords = []string{"increment", "interval", "billing", "takt", "rounding"}
	nameWords      = []string{"destination", "description", "name", "country", "zone", "ziel", "land", "pays", "area", "region"}
)

// find finds the columns by the first row. header says whether that holds their names.
func (c *columns) find(row []string) (header bool, err error) {
	*c = columns{-1, -1, -1, -1, -1, false}
	names := make([]string, len(row))
	for i, cell := range row {
		names[i] = strings.Join(strings.FieldsFunc(strings.ToLower(cell), func(r rune) bool { return strings.ContainsRune(" _-.\t", r) }), "")
	}
	if !slices.ContainsFunc(row, isPrefix) {
		return true, c.byName(names)
	}
	return false, c.byContent(row)
}

// isPrefix says whether a cell holds prefixes: one row of names has none.
func isPrefix(cell string) bool {
	_, err := parsePrefixes(strings.TrimSpace(cell))
	return err == nil
}

// byName finds the columns by their names.
func (c *columns) byName(names []string) error {
	var used []int
	find := func(words []string) int {
		for _, word := range words {
			for i, name := range names {
				if strings.Contains(name, word) && !slices.Contains(used, i) {
					used = append(used, i)
					return i
				}
			}
		}
		return -1
	}
	c.increment = find(incrementWords) // before the rate and the fee: "min billing", "connect increment"
	c.prefix = find(prefixWords)
	c.fee = find(feeWords)
	c.rate = find(rateWords)
	c.name = find(nameWords)
	if c.prefix < 0 || c.rate < 0 {
		return errors.New(`no columns of prefixes and rates: want a row of names such as "prefix;destination;rate"`)
	}
	unit := names[c.rate]
	c.cents = strings.Contains(unit, "cent") || strings.Contains(unit, "ct/") || strings.Contains(unit, "pence") || strings.HasSuffix(unit, "(ct)")
	return nil
}

// byContent finds the columns by what the first row holds.
func (c *columns) byContent(row []string) error {
	var numbers []int
	for i, cell := range row {
		cell = strings.TrimSpace(cell)
		_, notMoney := parseMoney(cell)
		_, _, notIncrement := parseIncrement(cell)
		switch {
		case c.prefix < 0 && isPrefix(cell):
			c.prefix = i
		case notIncrement == nil && strings.ContainsAny(cell, "/+"):
			c.increment = i
		case notMoney == nil:
			numbers = append(numbers, i)
		case cell != "" && c.name < 0:
			c.name = i
		}
	}
	if len(numbers) != 1 {
		return fmt.Errorf("%d columns may hold the rate: put a row of names such as \"prefix;destination;rate\" first", len(numbers))
	}
	c.rate = numbers[0]
	return nil
}

// words says which column was taken for what.
func (c *columns) words(row []string, header bool) (list []string) {
	say := func(what string, n int) {
		if n < 0 {
			return
		}
		if name := fmt.Sprintf("column %d", n+1); header {
			name = fmt.Sprintf("%s (%q)", name, nameOf(row[n]))
			list = append(list, what+": "+name)
		} else {
			list = append(list, what+": "+name)
		}
	}
	say("prefix", c.prefix)
	say("rate", c.rate)
	say("fee", c.fee)
	say("increment", c.increment)
	say("destination", c.name)
	if c.cents {
		list = append(list, "the rate is in hundredths of the currency")
	}
	return list
}
