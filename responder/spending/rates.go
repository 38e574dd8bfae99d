package spending

import (
	"cmp"
	"slices"
	"strings"
)

// maxPrefix is how many digits a prefix has at most: those of a number (ITU E.164).
const maxPrefix = 15

// Rates is a table of rates by prefix. The zero value, and nil, have none.
type Rates struct {
	by      map[uint64]Rate
	longest int // digits of the longest prefix
}

// prefixKey is a prefix as a number; the 1 in front keeps leading zeros.
func prefixKey(digits string) uint64 {
	n := uint64(1)
	for i := range len(digits) {
		n = n*10 + uint64(digits[i]-'0')
	}
	return n
}

// add enters a rate. If the prefix has one, the dearer one stays: carriers list a prefix
// again for other hours, or from a date on.
func (r *Rates) add(digits string, rate Rate) (again bool) {
	if r.by == nil {
		r.by = map[uint64]Rate{}
	}
	key := prefixKey(digits)
	was, again := r.by[key]
	if again && was.PerMinute+was.Fee >= rate.PerMinute+rate.Fee {
		return true
	}
	r.by[key] = rate
	r.longest = max(r.longest, len(digits))
	return again
}

// Len is the number of prefixes.
func (r *Rates) Len() int {
	if r == nil {
		return 0
	}
	return len(r.by)
}

// Find is the rate of the longest prefix that a number begins with, in international form
// with a + in front. ok is false if there is none.
func (r *Rates) Find(e164 string) (rate Rate, ok bool) {
	digits, plus := strings.CutPrefix(e164, "+")
	if !plus || r.Len() == 0 {
		return Rate{}, false
	}
	key, keys := uint64(1), make([]uint64, 0, maxPrefix)
	for i := 0; i < min(len(digits), r.longest); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			break
		}
		key = key*10 + uint64(digits[i]-'0')
		keys = append(keys, key)
	}
	for _, key := range slices.Backward(keys) {
		if rate, ok := r.by[key]; ok {
			return rate, true
		}
	}
	return Rate{}, false
}

// RatedPrefix is one row of the table.
type RatedPrefix struct {
	Prefix string // digits, without +
	Rate   Rate
}

// List is the whole table, ordered by prefix.
func (r *Rates) List() []RatedPrefix {
	list := make([]RatedPrefix, 0, r.Len())
	if r == nil {
		return list
	}
	for key, rate := range r.by {
		list = append(list, RatedPrefix{keyDigits(key), rate})
	}
	slices.SortFunc(list, func(a, b RatedPrefix) int { return cmp.Compare(a.Prefix, b.Prefix) })
	return list
}

// keyDigits is the inverse of prefixKey.
func keyDigits(key uint64) string {
	var b []byte
	for ; key > 1; key /= 10 {
		b = append(b, byte('0'+key%10))
	}
	slices.Reverse(b)
	return string(b)
}
