package logfile

import (
	"slices"
	"strings"
)

// longestDate is longer than any date.
const longestDate = 64

// inferFormats returns the formats in which a date may be written: several if it leaves open
// which number is the day, none if it is no date.
func inferFormats(v []byte) (formats []*DateFormat) {
	if len(v) == 0 || len(v) > longestDate {
		return nil
	}
	g := guess{v: v}
	if !g.read() {
		return nil
	}
	for _, order := range g.orders() {
		f, err := ParseDateFormat(g.spell(order))
		if err != nil {
			continue
		}
		if _, n, ok := f.read(v); ok && n == len(v) {
			formats = append(formats, f)
		}
	}
	return formats
}

// guess is a date that is being recognised.
type guess struct {
	v     []byte
	parts []string // of the format; "" is a number of the date

	numbers      int // how many are still nameless
	yearAt       int // the number of nameless ones before the year, if hasYear
	hasYear      bool
	hasMonth     bool
	hasDate      bool // day, month and year in one run of digits
	hasTime      bool
	hourAt       int // the part with the hour
	halfOfTheDay bool
}

func (g *guess) add(part string) { g.parts = append(g.parts, part) }

// read takes the date apart.
func (g *guess) read() bool {
	for len(g.v) > 0 {
		c := g.v[0]
		switch {
		case isDigit(c):
			if !g.digits() {
				return false
			}
		case c|' ' >= 'a' && c|' ' <= 'z' || c >= 0x80:
			if !g.word() {
				return false
			}
		case (c == '+' || c == '-') && g.hasTime && digits(g.v[1:]) >= 2:
			if !g.zone() {
				return false
			}
		case c == '%':
			g.add("%%")
			g.v = g.v[1:]
		case c < ' ' && c != '\t':
			return false
		default:
			g.add(string(c))
			g.v = g.v[1:]
		}
	}
	return g.hasTime
}

func (g *guess) zone() bool {
	var d date
	rest, ok := d.zone(g.v)
	g.v = rest
	g.add("%z")
	return ok
}

// digits takes a run of digits, or a whole time.
func (g *guess) digits() bool {
	n := digits(g.v)
	rest := g.v[n:]
	isTime := n <= 2 && !g.hasTime && len(rest) >= 3 && rest[0] == ':' && digits(rest[1:]) == 2
	switch {
	case isTime:
		return g.time(n)
	case n == 10 && !g.hasTime:
		g.hasTime, g.hasDate = true, true
		g.add("%s")
	case n == 13 && !g.hasTime:
		g.hasTime, g.hasDate = true, true
		g.add("%s%3q")
	case n == 14 && !g.hasTime:
		g.hasTime, g.hasDate = true, true
		g.add("%Y%m%d%H%M%S")
	case n == 12 && !g.hasTime:
		g.hasTime, g.hasDate = true, true
		g.add("%Y%m%d%H%M")
	case n == 8 && !g.hasDate:
		g.hasDate = true
		g.add("%Y%m%d")
	case n == 6 && !g.hasDate:
		g.hasDate = true
		g.add("%y%m%d")
	case n == 6 && !g.hasTime:
		g.hasTime = true
		g.add("%H%M%S")
	case n == 4 && !g.hasYear && !g.hasDate:
		g.hasYear, g.yearAt = true, g.numbers
		g.add("%Y")
	case n <= 2:
		g.numbers++
		g.add("")
	default:
		return false
	}
	g.v = rest
	if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') && g.hasTime && (n == 10 || n == 14 || n == 6) && isDigit(rest[1]) {
		g.fraction()
	}
	return true
}

// time takes hours, minutes, and perhaps seconds.
func (g *guess) time(n int) bool {
	g.hasTime, g.hourAt = true, len(g.parts)
	g.add("%H")
	g.add(":%M")
	g.v = g.v[n+3:]
	if len(g.v) >= 3 && g.v[0] == ':' && digits(g.v[1:]) == 2 {
		g.add(":%S")
		if g.v = g.v[3:]; len(g.v) > 1 && (g.v[0] == '.' || g.v[0] == ',') && isDigit(g.v[1]) {
			g.fraction()
		}
	}
	return true
}

func (g *guess) fraction() {
	g.add(string(g.v[0]) + "%q")
	g.v = g.v[1+digits(g.v[1:]):]
}

// word takes the name of a month, a weekday or a zone, AM or PM, or the T of ISO 8601.
func (g *guess) word() bool {
	var d date
	if _, rest, ok := cutName(g.v, weekdays); ok && !g.hasTime {
		g.add("%a")
		g.v = rest
		return true
	}
	if _, rest, ok := cutName(g.v, months); ok && !g.hasMonth {
		g.hasMonth = true
		g.add("%b")
		g.v = rest
		return true
	}
	if rest, ok := d.field(dateOp{verb: 'p'}, g.v); ok && g.hasTime && (len(rest) == 0 || rest[0] == ' ') {
		g.halfOfTheDay = true
		g.add("%p")
		g.v = rest
		return true
	}
	if g.v[0] == 'T' && len(g.v) > 1 && isDigit(g.v[1]) {
		g.add("T")
		g.v = g.v[1:]
		return true
	}
	if !g.hasTime {
		return false
	}
	rest, ok := d.zone(g.v)
	g.add("%Z")
	g.v = rest
	return ok
}

// orders are the conversions that the nameless numbers may stand for.
func (g *guess) orders() []string {
	switch {
	case g.hasDate:
		return []string{""}
	case g.hasMonth && g.hasYear, g.hasMonth && g.numbers == 1:
		return []string{"d"}
	case g.hasMonth:
		return []string{"dy", "yd"}
	case g.hasYear && g.yearAt == 0:
		return []string{"md"}
	case g.numbers == 3:
		return []string{"dmy", "mdy", "ymd"}
	}
	return []string{"dm", "md"}
}

// spell returns the format for an order.
func (g *guess) spell(order string) string {
	if len(order) != g.numbers {
		return ""
	}
	parts := slices.Clone(g.parts)
	for i, p := range parts {
		switch {
		case p == "":
			parts[i], order = "%"+order[:1], order[1:]
		case p == "%H" && g.halfOfTheDay:
			parts[i] = "%I"
		}
	}
	return strings.Join(parts, "")
}
