package logfile

import (
	"bytes"
	"time"
)

// date holds the parts of a date in a log.
type date struct {
	year, month, day, yday  int // year is -1 if there is none
	hour, minute, second    int
	nanosecond              int
	weekday                 int // -1 if there is none; Sunday is 0
	half                    byte
	epoch                   int64
	century, short          int // of a year in two digits
	hasEpoch, twelve, brief bool
	zoned                   bool // with offset or zoneName
	offset                  int  // in seconds, without a zoneName
	zoneName                []byte
}

// field reads one conversion.
func (d *date) field(o dateOp, v []byte) (rest []byte, ok bool) {
	switch o.verb {
	case 'a':
		d.weekday, rest, ok = cutName(v, weekdays)
	case 'b':
		d.month, rest, ok = cutName(v, months)
		d.month++
	case 'p':
		if len(v) < 2 || v[1]|' ' != 'm' || v[0]|' ' != 'a' && v[0]|' ' != 'p' {
			return v, false
		}
		d.half, rest, ok = v[0]|' ', v[2:], true
	case 'q':
		rest, ok = d.fraction(v, o.digits)
	case 's':
		n := digits(v)
		if n < 9 || n > 12 {
			if n != 13 { // with %3q right after it
				return v, false
			}
			n = 10
		}
		d.epoch, d.hasEpoch, rest, ok = number(v[:n]), true, v[n:], true
	case 'z':
		rest, ok = d.zone(v)
	default:
		return d.number(o.verb, v)
	}
	return rest, ok
}

// number reads a conversion of digits, which may be padded with a space.
func (d *date) number(verb byte, v []byte) (rest []byte, ok bool) {
	most := 2
	switch verb {
	case 'Y':
		most = 4
	case 'j':
		most = 3
	case 'u':
		most = 1
	}
	if len(v) > 0 && v[0] == ' ' {
		v = v[1:]
	}
	n := min(digits(v), most)
	if n == 0 || verb == 'Y' && n < 4 || (verb == 'M' || verb == 'S' || verb == 'y') && n < 2 {
		return v, false
	}
	x := int(number(v[:n]))
	switch verb {
	case 'Y':
		d.year = x
	case 'C':
		d.century = x
	case 'y':
		d.short, d.brief = x, true
	case 'm':
		d.month = x
	case 'd':
		d.day = x
	case 'j':
		d.yday = x
	case 'H':
		d.hour = x
	case 'I':
		d.hour, d.twelve = x, true
	case 'M':
		d.minute = x
	case 'S':
		d.second = x
	case 'u':
		d.weekday = x % 7
	}
	return v[n:], true
}

// fraction reads the digits of a fraction of a second: count, or all if it is 0.
func (d *date) fraction(v []byte, count int) (rest []byte, ok bool) {
	n := digits(v)
	if count > 0 {
		n = min(n, count)
	}
	if n == 0 || n < count || n > 9 {
		return v, false
	}
	d.nanosecond = int(number(v[:n]))
	for i := n; i < 9; i++ {
		d.nanosecond *= 10
	}
	return v[n:], true
}

func (d *date) optionalFraction(v []byte) (rest []byte) {
	if len(v) < 2 || v[0] != '.' && v[0] != ',' {
		return v
	}
	if rest, ok := d.fraction(v[1:], 0); ok {
		return rest
	}
	return v
}

// zone reads a time zone: Z, +0100, +01:00, +01 or an abbreviation.
func (d *date) zone(v []byte) (rest []byte, ok bool) {
	if len(v) == 0 {
		return v, false
	}
	d.zoned = true
	if v[0] != '+' && v[0] != '-' {
		n := 0
		for n < len(v) && n < 6 && v[n] >= 'A' && v[n] <= 'Z' {
			n++
		}
		if n == 1 && v[0] == 'Z' {
			return v[1:], true
		}
		d.zoneName = v[:n]
		return v[n:], n >= 2
	}
	negative := v[0] == '-'
	v = v[1:]
	n := digits(v)
	if n != 2 && n != 4 {
		return v, false
	}
	d.offset = int(number(v[:2])) * 3600
	rest = v[n:]
	minutes := v[2:n]
	if n == 2 && len(rest) >= 3 && rest[0] == ':' && digits(rest[1:]) == 2 {
		minutes, rest = rest[1:3], rest[3:]
	}
	if len(minutes) == 2 {
		d.offset += int(number(minutes)) * 60
	}
	if negative {
		d.offset = -d.offset
	}
	return rest, d.offset >= -24*3600 && d.offset <= 24*3600
}

// at returns the time of a date. Without a zone it is in the given one, and without a year
// in the last year in which it is not later than a day after latest. ok is false if there is
// no such time.
func (d *date) at(zone *time.Location, latest time.Time) (at time.Time, ok bool) {
	if d.hasEpoch {
		return time.Unix(d.epoch, int64(d.nanosecond)), true
	}
	if d.twelve {
		if d.hour < 1 || d.hour > 12 || d.half == 0 {
			return time.Time{}, false
		}
		d.hour %= 12
		if d.half == 'p' {
			d.hour += 12
		}
	}
	if d.yday > 0 {
		d.month, d.day = 1, d.yday
	} else if d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 {
		return time.Time{}, false
	}
	if d.hour > 23 || d.minute > 59 || d.second > 60 || d.yday > 366 {
		return time.Time{}, false
	}
	if zone, ok = d.location(zone); !ok {
		return time.Time{}, false
	}
	if d.brief && d.year < 0 {
		if d.year = 2000 + d.short; d.century > 0 {
			d.year = d.century*100 + d.short
		}
	}
	if d.year >= 0 {
		return d.in(d.year, zone)
	}
	year := latest.In(zone).Year()
	if at, ok = d.in(year, zone); !ok || at.After(latest.AddDate(0, 0, 1)) {
		if before, exists := d.in(year-1, zone); exists {
			return before, true
		}
		if d.month == 2 && d.day == 29 { // of a leap year further back
			for back := 2; back < 9; back++ {
				if before, exists := d.in(year-back, zone); exists {
					return before, true
				}
			}
		}
		return time.Time{}, false
	}
	return at, ok
}

// in returns the time of a date in a year, if it exists and is that day of the week.
func (d *date) in(year int, zone *time.Location) (at time.Time, ok bool) {
	at = time.Date(year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanosecond, zone)
	if d.weekday >= 0 && int(at.Weekday()) != d.weekday {
		return at, false
	}
	if d.yday > 0 {
		return at, at.Year() == year
	}
	midnight := time.Date(year, time.Month(d.month), d.day, 12, 0, 0, 0, time.UTC)
	return at, int(midnight.Month()) == d.month
}

// location is the zone of a date that names one, otherwise the given one.
func (d *date) location(zone *time.Location) (*time.Location, bool) {
	if !d.zoned {
		return zone, true
	}
	offset := d.offset
	if len(d.zoneName) > 0 {
		var known bool
		if offset, known = abbreviation(d.zoneName, zone, d.year); !known {
			return nil, false
		}
	}
	if offset == 0 {
		return time.UTC, true
	}
	return fixedZone(offset), true
}

var weekdays = names{{"sun"}, {"mon"}, {"tue"}, {"wed"}, {"thu"}, {"fri"}, {"sat"}}

// months are the names of months as strftime writes them in English and, since journalctl
// follows the locale, in German, French, Spanish, Italian, Portuguese and Dutch.
var months = names{
	{"jan", "ene", "gen"},
	{"feb", "fév", "fev"},
	{"mar", "mär", "mrz", "mrt"},
	{"apr", "abr", "avr"},
	{"may", "mai", "mag", "mei"},
	{"jun", "juin", "giu"},
	{"jul", "juil", "lug"},
	{"aug", "aoû", "ago"},
	{"sep", "set"},
	{"oct", "okt", "ott", "out"},
	{"nov"},
	{"dec", "dez", "déc", "dic"},
}

// names are lists of how the names of something begin, in lower case.
type names [][]string

// cutName cuts off a name, abbreviated or not, also with a full stop.
func cutName(v []byte, of names) (index int, rest []byte, ok bool) {
	n := 0
	for n < len(v) && (v[n]|' ' >= 'a' && v[n]|' ' <= 'z' || v[n] >= 0x80) {
		n++
	}
	for i, begins := range of {
		for _, b := range begins {
			if len(b) <= n && bytes.EqualFold(v[:len(b)], []byte(b)) {
				rest = v[n:]
				if len(rest) > 0 && rest[0] == '.' {
					rest = rest[1:]
				}
				return i, rest, true
			}
		}
	}
	return 0, v, false
}

// digits counts the digits at the start of v.
func digits(v []byte) (n int) {
	for n < len(v) && isDigit(v[n]) {
		n++
	}
	return n
}

// number returns the value of at most 18 digits.
func number(v []byte) (x int64) {
	for _, c := range v {
		x = x*10 + int64(c-'0')
	}
	return x
}
