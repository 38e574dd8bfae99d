package logfile

import (
	"fmt"
	"strings"
)

// DateFormat is a dateformat of logger.conf: a format of strftime(3), in which %q, or %1q
// to %6q, is a fraction of a second. It is read-only once made.
type DateFormat struct {
	text string
	ops  []dateOp
}

// dateOp is one part of a DateFormat: a conversion, or a literal byte.
type dateOp struct {
	verb    byte // 0 is a literal
	literal byte
	digits  int // of %q; 0 is any number
}

// composed spells out the conversions that stand for several. Those that depend on the
// locale are what they are in C, where Asterisk runs.
var composed = map[byte]string{
	'T': "%H:%M:%S", 'X': "%H:%M:%S", 'R': "%H:%M", 'r': "%I:%M:%S %p", 'F': "%Y-%m-%d", 'D': "%m/%d/%y", 'x': "%m/%d/%y",
	'c': "%a %b %e %H:%M:%S %Y", '+': "%a %b %e %H:%M:%S %Z %Y", 'v': "%e-%b-%Y",
}

// simple has the conversions that readDate knows, under the name of the one they are read
// like.
var simple = map[byte]byte{
	'a': 'a', 'A': 'a', 'b': 'b', 'B': 'b', 'h': 'b', 'C': 'C', 'd': 'd', 'e': 'd', 'g': 'w', 'G': 'Y', 'H': 'H', 'k': 'H', 'I': 'I', 'l': 'I', 'j': 'j',
	'm': 'm', 'M': 'M', 'n': ' ', 't': ' ', 'p': 'p', 'P': 'p', 'q': 'q', 's': 's', 'S': 'S', 'u': 'u', 'U': 'w', 'V': 'w', 'W': 'w', 'w': 'u',
	'y': 'y', 'Y': 'Y', 'z': 'z', 'Z': 'z',
}

// ParseDateFormat parses a value of dateformat. The error names what is wrong with it.
func ParseDateFormat(text string) (*DateFormat, error) {
	f := &DateFormat{text: text}
	if err := f.add(text); err != nil {
		return nil, fmt.Errorf("date format %q: %w", text, err)
	}
	if !f.dates() {
		return nil, fmt.Errorf("date format %q: it has no day and month, such as %%F or %%b %%e", text)
	}
	return f, nil
}

func mustDateFormat(text string) *DateFormat {
	f, err := ParseDateFormat(text)
	if err != nil {
		panic(err)
	}
	return f
}

// String returns the format as in logger.conf.
func (f *DateFormat) String() string { return f.text }

func (f *DateFormat) add(text string) error {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			f.ops = append(f.ops, dateOp{literal: text[i]})
			continue
		}
		digits := 0
		for i++; i < len(text) && strings.IndexByte("_-0^#EO123456789", text[i]) >= 0; i++ {
			if text[i] >= '1' && text[i] <= '9' {
				digits = int(text[i] - '0')
			}
		}
		if i == len(text) {
			return fmt.Errorf("it ends in the middle of a conversion")
		}
		verb, known := simple[text[i]]
		switch {
		case text[i] == '%':
			f.ops = append(f.ops, dateOp{literal: '%'})
		case known:
			if verb != 'q' {
				digits = 0
			}
			f.ops = append(f.ops, dateOp{verb: verb, digits: digits})
		case composed[text[i]] != "":
			if err := f.add(composed[text[i]]); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%%%c is no conversion of strftime", text[i])
		}
	}
	return nil
}

// dates reports whether the format has a day.
func (f *DateFormat) dates() bool {
	has := map[byte]bool{}
	for _, o := range f.ops {
		has[o.verb] = true
	}
	return has['s'] || has['j'] || has['d'] && (has['m'] || has['b'])
}

// read reads a date at the start of v and returns its length. The seconds may have a
// fraction that the format does not name.
func (f *DateFormat) read(v []byte) (d date, n int, ok bool) {
	d = date{year: -1, weekday: -1}
	rest := v
	for i, o := range f.ops {
		switch o.verb {
		case 0:
			if o.literal == ' ' {
				if rest, ok = cutSpaces(rest); !ok {
					return d, 0, false
				}
				continue
			}
			if len(rest) == 0 || rest[0] != o.literal {
				return d, 0, false
			}
			rest = rest[1:]
			continue
		case ' ':
			if rest, ok = cutSpaces(rest); !ok {
				return d, 0, false
			}
			continue
		}
		if rest, ok = d.field(o, rest); !ok {
			return d, 0, false
		}
		if (o.verb == 'S' || o.verb == 's') && !f.fractionFollows(i+1) {
			rest = d.optionalFraction(rest)
		}
	}
	return d, len(v) - len(rest), true
}

// fractionFollows reports whether the format itself reads the digits after the seconds.
func (f *DateFormat) fractionFollows(at int) bool {
	for ; at < len(f.ops) && f.ops[at].verb == 0; at++ {
		if f.ops[at].literal != '.' && f.ops[at].literal != ',' {
			return false
		}
	}
	return at < len(f.ops) && f.ops[at].verb == 'q'
}

// cutSpaces cuts off at least one space or tab. A number that is padded with another one is
// read with it.
func cutSpaces(v []byte) (rest []byte, ok bool) {
	if len(v) == 0 || v[0] != ' ' && v[0] != '\t' {
		return v, false
	}
	return v[1:], true
}
