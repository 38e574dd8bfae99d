package cdr

import (
	"bytes"
	"strconv"
	"time"
)

// Order is the order of day and month in dates such as 3/4/2026.
type Order uint8

// The orders.
const (
	Unclear Order = iota
	DayFirst
	MonthFirst
)

// clock reads the times of records.
type clock struct {
	zone   *time.Location // of times without one
	latest time.Time      // later ones are not valid
	order  Order

	// What the dates so far say about the order.
	numeric   bool   // there is a date whose order matters
	evidence  Order  // of a date that has only one reading
	ambiguous string // the first date with two readings, while the order is unclear
}

// layouts are how times are written: fractions of a second are read behind each.
var layouts = []string{
	time.DateTime, "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05Z0700",
	"2 Jan 2006 15:04:05", "2-Jan-2006 15:04:05", "2 January 2006 15:04:05", "Jan 2, 2006 15:04:05", "Jan 2, 2006 3:04:05 PM", "Jan 2 2006 15:04:05",
	"Mon, 2 Jan 2006 15:04:05", time.RFC1123Z, time.RFC1123, time.ANSIC, time.UnixDate, time.RubyDate, "20060102150405",
}

// earliest is the first time that a record can have: Asterisk is not older.
var earliest = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// time reads a time, which may be in seconds since 1970.
func (c *clock) time(text []byte) (at time.Time, ok bool) {
	text = bytes.TrimSpace(text)
	if len(text) < len("1/1/26 1:02") {
		if len(text) == len("1000000000") && digits(text) {
			return c.epoch(text, nil)
		}
		return at, false
	}
	if len(text) == len(time.DateTime) && text[4] == '-' { // what Asterisk writes
		if at, err := time.ParseInLocation(time.DateTime, string(text), c.zone); err == nil {
			return at, c.valid(at)
		}
	}
	if whole, fraction, _ := bytes.Cut(text, []byte{'.'}); (len(whole) == 10 || len(whole) == 13) && digits(whole) && digits(fraction) {
		return c.epoch(whole[:10], whole[10:])
	}
	if at, known, ok := c.numbers(text); known {
		return at, ok
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, string(text), c.zone); err == nil {
			return at, c.valid(at)
		}
	}
	return at, false
}

// epoch reads seconds since 1970, and perhaps milliseconds.
func (c *clock) epoch(seconds, milliseconds []byte) (at time.Time, ok bool) {
	n, err := strconv.ParseInt(string(seconds), 10, 64)
	if err != nil {
		return at, false
	}
	ms, _ := strconv.ParseInt(string(milliseconds), 10, 64)
	at = time.Unix(n, ms*1e6)
	return at, c.valid(at)
}

// numbers reads a date of three numbers, such as 2026/11/20 3:00, 20.11.2026 03:00:00 or
// 11/20/26 3:00:00 PM. known is false for other forms.
func (c *clock) numbers(text []byte) (at time.Time, known, ok bool) {
	var n [3]int
	var length [3]int
	separator := byte(0)
	i := 0
	for part := range n {
		from := i
		for i < len(text) && isDigit(text[i]) && i-from < 4 {
			n[part] = n[part]*10 + int(text[i]-'0')
			i++
		}
		if length[part] = i - from; length[part] == 0 || i == len(text) {
			return at, false, false
		}
		if part == 2 {
			break
		}
		if c := text[i]; c != '/' && c != '.' && c != '-' || part == 1 && c != separator {
			return at, false, false
		}
		separator = text[i]
		i++
	}
	if text[i] == ',' && i+1 < len(text) {
		i++
	}
	if text[i] != ' ' && text[i] != 'T' {
		return at, false, false
	}
	h, m, s, ns, timed := timeOfDay(bytes.TrimSpace(text[i+1:]))
	if !timed {
		return at, false, false
	}
	day := func(year, month, day int) (time.Time, bool) {
		at := time.Date(year, time.Month(month), day, h, m, s, ns, c.zone)
		return at, month >= 1 && month <= 12 && day >= 1 && at.Day() == day && c.valid(at)
	}
	if length[0] == 4 {
		at, ok = day(n[0], n[1], n[2])
		return at, true, ok
	}
	if length[2] == 2 {
		n[2] += 2000
	} else if length[2] != 4 {
		return at, false, false
	}
	first, firstOK := day(n[2], n[1], n[0])
	if separator == '.' { // nobody writes the month first with dots
		return first, true, firstOK
	}
	second, secondOK := day(n[2], n[0], n[1])
	at, ok = c.choose(text, first, firstOK, second, secondOK)
	return at, true, ok
}

// choose chooses between both readings of a date: day first, and month first.
func (c *clock) choose(text []byte, first time.Time, firstOK bool, second time.Time, secondOK bool) (time.Time, bool) {
	c.numeric = true
	switch {
	case firstOK && !secondOK && c.evidence == Unclear:
		c.evidence = DayFirst
	case secondOK && !firstOK && c.evidence == Unclear:
		c.evidence = MonthFirst
	}
	switch {
	case c.order == DayFirst:
		return first, firstOK
	case c.order == MonthFirst:
		return second, secondOK
	case firstOK && secondOK && !first.Equal(second) && c.ambiguous == "":
		c.ambiguous = string(text)
	case !firstOK:
		return second, secondOK
	}
	return first, firstOK
}

// timeOfDay reads 3:04, 15:04:05.123 or 3:04:05 PM.
func timeOfDay(text []byte) (h, m, s, ns int, ok bool) {
	for _, layout := range []string{"15:04:05", "15:04", "3:04:05 PM", "3:04 PM", "3:04:05PM", "3:04PM"} {
		if at, err := time.Parse(layout, string(bytes.ToUpper(text))); err == nil {
			return at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), true
		}
	}
	return 0, 0, 0, 0, false
}

func (c *clock) valid(at time.Time) bool {
	return !at.Before(earliest) && (c.latest.IsZero() || !at.After(c.latest.AddDate(0, 0, 1)))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func digits(text []byte) bool {
	for _, c := range text {
		if !isDigit(c) {
			return false
		}
	}
	return true
}
