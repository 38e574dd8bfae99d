package logfile

import (
	"bytes"
	"time"
)

// Clock parses the dates of one log. The zero Clock parses them as UTC.
type Clock struct {
	// Location is the time zone of dates without one.
	Location *time.Location
	// Latest is the time of the latest possible line, give or take a day. A date
	// without a year gets the last year in which it is not later.
	Latest time.Time

	text []byte    // the date parsed last
	at   time.Time // its result
}

// layouts lists the usual values of dateformat in logger.conf, and the formats of
// syslog. Each may have fractional seconds.
var layouts = []string{
	"2006-01-02 15:04:05",
	"Jan _2 15:04:05",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05 Z0700",
	"Jan _2 2006 15:04:05",
}

// Parse parses a date.
func (c *Clock) Parse(text []byte) (at time.Time, ok bool) {
	if len(text) == 0 {
		return time.Time{}, false
	}
	if bytes.Equal(text, c.text) {
		return c.at, !c.at.IsZero()
	}
	c.text, c.at = append(c.text[:0], text...), time.Time{}
	zone := c.Location
	if zone == nil {
		zone = time.UTC
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, string(text), zone); err == nil {
			c.at = c.year(at)
			break
		}
	}
	return c.at, !c.at.IsZero()
}

// year adds the year to a date without one.
func (c *Clock) year(at time.Time) time.Time {
	if at.Year() != 0 {
		return at
	}
	latest := c.Latest.In(at.Location())
	dated := at.AddDate(latest.Year(), 0, 0)
	if dated.After(latest.AddDate(0, 0, 1)) {
		dated = at.AddDate(latest.Year()-1, 0, 0)
	}
	return dated
}
