package logfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Clock parses the dates of one log. It learns their format from them. The zero Clock parses
// dates without a zone as UTC.
type Clock struct {
	// Location is the time zone of dates without one.
	Location *time.Location
	// Latest is the time of the latest possible line, give or take a day. A date
	// without a year gets the last year in which it is not later.
	Latest time.Time
	// Format is the format of all dates; nil is that which they show.
	Format *DateFormat
	// Hint is probably the format: it decides what the dates leave open.
	Hint *DateFormat
	// Follows means that lines are parsed as they are written, at Latest. That decides, too.
	Follows bool

	formats []*DateFormat // those of the dates so far, the usual one first
	others  int           // how many of the last dates were in the second one
	open    *AmbiguousError

	text []byte    // the date parsed last
	at   time.Time // its result
}

// maxFormats bounds the formats of one log.
const maxFormats = 4

// AmbiguousError reports a date that has several meanings.
type AmbiguousError struct {
	Text    string
	Formats []*DateFormat
}

func (e *AmbiguousError) Error() string {
	var list []string
	for _, f := range e.Formats {
		list = append(list, "'"+f.String()+"'")
	}
	return fmt.Sprintf("the date %q can be read as %s", e.Text, strings.Join(list, " or "))
}

// Ambiguous returns what the dates of the log leave open, or nil.
func (c *Clock) Ambiguous() *AmbiguousError { return c.open }

// Parse parses a date.
func (c *Clock) Parse(text []byte) (at time.Time, ok bool) {
	if len(text) == 0 || len(text) > longestDate {
		return time.Time{}, false
	}
	if bytes.Equal(text, c.text) {
		return c.at, !c.at.IsZero()
	}
	at, ok = c.parse(text)
	if !ok {
		at = time.Time{}
	}
	c.text, c.at = append(c.text[:0], text...), at
	return at, ok
}

func (c *Clock) parse(text []byte) (at time.Time, ok bool) {
	if c.Format != nil {
		return c.readAs(c.Format, text)
	}
	for i, f := range c.formats {
		if at, ok = c.readAs(f, text); ok && !(c.Follows && c.tooLate(at)) {
			c.matched(i)
			return at, true
		}
	}
	possible := c.possible(text)
	if len(possible) > 1 {
		if at, same := c.sameTime(text, possible); same {
			return at, true // 4/4: it means one day in any order
		}
		possible = c.settle(text, possible)
	}
	switch len(possible) {
	case 0:
		return time.Time{}, false
	case 1:
		c.adopt(possible[0])
		return c.readAs(possible[0], text)
	}
	c.open = &AmbiguousError{Text: string(text), Formats: possible}
	return time.Time{}, false
}

// readAs reads a whole date in one format.
func (c *Clock) readAs(f *DateFormat, text []byte) (at time.Time, ok bool) {
	d, n, ok := f.read(text)
	if !ok || n != len(text) {
		return time.Time{}, false
	}
	zone := c.Location
	if zone == nil {
		zone = time.UTC
	}
	return d.at(zone, c.Latest)
}

// possible are the formats in which a date exists and, if there are several, is not in the
// future.
func (c *Clock) possible(text []byte) []*DateFormat {
	exist := slices.DeleteFunc(inferFormats(text), func(f *DateFormat) bool {
		_, ok := c.readAs(f, text)
		return !ok
	})
	if len(exist) < 2 {
		return exist
	}
	past := slices.DeleteFunc(slices.Clone(exist), func(f *DateFormat) bool {
		at, _ := c.readAs(f, text)
		return c.tooLate(at)
	})
	if len(past) == 0 {
		return exist
	}
	return past
}

// tooLate reports whether no line can have this time yet.
func (c *Clock) tooLate(at time.Time) bool {
	return !c.Latest.IsZero() && at.After(c.Latest.AddDate(0, 0, 1))
}

// settle chooses among formats by what is known besides the text.
func (c *Clock) settle(text []byte, possible []*DateFormat) []*DateFormat {
	if c.Hint != nil {
		if hinted, ok := c.readAs(c.Hint, text); ok {
			for _, f := range possible {
				if at, _ := c.readAs(f, text); at.Equal(hinted) {
					return []*DateFormat{c.Hint}
				}
			}
		}
	}
	if c.Follows {
		return c.writtenAt(text, possible, c.Latest)
	}
	return possible
}

// writtenAt keeps the formats by which a date is that of when its line was written, in any
// time zone; all of them if there is none.
func (c *Clock) writtenAt(text []byte, possible []*DateFormat, written time.Time) (kept []*DateFormat) {
	for _, f := range possible {
		if at, ok := c.readAs(f, text); ok && sameInSomeZone(at, written) {
			kept = append(kept, f)
		}
	}
	if len(kept) == 0 {
		return possible
	}
	return kept
}

// sameTime returns the time of a date that is the same in all formats.
func (c *Clock) sameTime(text []byte, formats []*DateFormat) (at time.Time, same bool) {
	at, _ = c.readAs(formats[0], text)
	return at, !slices.ContainsFunc(formats[1:], func(f *DateFormat) bool {
		other, _ := c.readAs(f, text)
		return !at.Equal(other)
	})
}

// use puts a format first.
func (c *Clock) use(f *DateFormat) {
	c.formats = slices.DeleteFunc(c.formats, func(g *DateFormat) bool { return g == f })
	c.formats = slices.Insert(c.formats, 0, f)
	c.formats = c.formats[:min(len(c.formats), maxFormats)]
	c.text, c.others, c.open = c.text[:0], 0, nil
}

// adopt adds a format that a date shows. It becomes the usual one once several dates in a row
// are in it, so that no single line makes others mean another day.
func (c *Clock) adopt(f *DateFormat) {
	if len(c.formats) == 0 {
		c.use(f)
		return
	}
	c.formats = slices.Insert(c.formats, 1, f)
	c.formats = c.formats[:min(len(c.formats), maxFormats)]
	c.others, c.open = 1, nil
}

// matched notes the format of a date.
func (c *Clock) matched(index int) {
	const several = 3
	switch index {
	case 0:
		c.others = 0
		return
	case 1:
		c.others++
	default:
		f := c.formats[index]
		c.formats = slices.Insert(slices.Delete(c.formats, index, index+1), 1, f)
		c.others = 1
	}
	if c.others >= several {
		c.formats[0], c.formats[1] = c.formats[1], c.formats[0]
		c.others = 0
	}
}

// sameInSomeZone reports whether a date without a zone may be of a line that was written at
// a time: it is off by a multiple of a quarter of an hour, give or take some seconds.
func sameInSomeZone(dated, written time.Time) bool {
	off := written.Sub(dated)
	lag := off - off.Round(zoneStep)
	return lag >= -time.Second && lag <= zoneLag && off.Abs() <= widestZone+zoneLag
}
