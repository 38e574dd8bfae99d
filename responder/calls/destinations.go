package calls

import (
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/responder/numbers"
)

// Destinations are the numbers that an account may call. It may not call what Deny
// lists. If Allow is not empty, it may not call foreign numbers that Allow does not
// list either. That holds for each plausible reading of a number.
//
// An item is a country ("GB"), a number type ("premium") or the prefix of a number:
// "+4490" in international form, "118" as dialled.
type Destinations struct {
	Allow, Deny []string
}

// forbids reports whether a number is forbidden, the country of the reading that is, and
// the item that forbids it.
func (d *Destinations) forbids(n *numbers.Number) (country, reason string, forbidden bool) {
	for _, item := range d.Deny {
		if r, ok := matching(n, item); ok {
			return r.Country, item, true
		}
	}
	if len(d.Allow) == 0 {
		return "", "", false
	}
	for i := range n.Readings {
		r := &n.Readings[i]
		if r.Foreign && !slices.ContainsFunc(d.Allow, func(item string) bool { return is(r, item) }) {
			return r.Country, "not allowed", true
		}
	}
	if n.External && len(n.Readings) == 0 && !slices.ContainsFunc(d.Allow, func(item string) bool { return dialled(n.Digits, item) }) {
		return "", "not allowed", true
	}
	return "", "", false
}

// matching returns a reading of a number that an item of Destinations matches; the zero
// Reading if the digits themselves do.
func matching(n *numbers.Number, item string) (r numbers.Reading, ok bool) {
	for i := range n.Readings {
		if is(&n.Readings[i], item) {
			return n.Readings[i], true
		}
	}
	return numbers.Reading{}, dialled(n.Digits, item)
}

func is(r *numbers.Reading, item string) bool {
	switch {
	case strings.HasPrefix(item, "+"):
		return r.E164 != "" && strings.HasPrefix(r.E164, item)
	case isDigits(item):
		return strings.HasPrefix(r.Digits, item)
	case len(item) == 2:
		return r.Country == item
	}
	return r.Type == item
}

func dialled(digits, item string) bool { return isDigits(item) && strings.HasPrefix(digits, item) }

func isDigits(item string) bool { return item[0] >= '0' && item[0] <= '9' }

// read returns the meaning of what an account dialled. A number that is internal by its
// length counts as external if the account's rules forbid it, unless an extension has it
// and no rule names it in full. An emergency number never does, and has no readings.
func (d *Detector) read(l *Limits, dialled string) numbers.Number {
	n, emergency := d.rules.Dialling.ReadCall(dialled)
	if emergency || n.External || n.Digits == "" {
		return n
	}
	if _, extension := d.listed[n.Digits]; extension && !slices.Contains(l.Destinations.Deny, n.Digits) {
		return n
	}
	_, _, n.External = l.Destinations.forbids(&n)
	return n
}
