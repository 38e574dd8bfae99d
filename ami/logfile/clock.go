package logfile

import (
	"bytes"
	"time"
)

// Clock reads the dates of one log. The zero Clock reads them as UTC.
type Clock struct {
	// Location is the zone of dates that name none.
	Location *time.Location
	// Latest is a time that no line is later than, by a day at most: dates
	// without a year belong to the last year that this allows.
	Latest time.Time

	text []byte // what was read last, and what it was
	at   time.Time
}

// layouts are the dates of logger.conf's dateformat in use, and syslog's. A
// fraction of the second may follow the seconds of each.
var layouts = []string{
	"2006-01-02 15:04:05",
	"Jan _2 15:04:05",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05 Z0700",
	"Jan _2 2006 15:04:05",
}

// Parse reads a date; ok is false when it is none.
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

// year gives a date without a year its year.
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
