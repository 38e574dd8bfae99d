package cdr

import (
	"bytes"
	"strconv"
	"time"
)

// clock reads the times of records.
type clock struct {
	zone   *time.Location // of times without one
	latest time.Time      // later ones are not valid
}

// layouts are how times are written: fractions of a second are read behind each.
var layouts = []string{time.DateTime, "2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700"}

// earliest is the first time that a record can have: Asterisk is not older.
var earliest = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// time reads a time, which may be in seconds since 1970.
func (c *clock) time(text []byte) (at time.Time, ok bool) {
	text = bytes.TrimSpace(text)
	if len(text) < len("1000000000") {
		return at, false
	}
	if whole, fraction, _ := bytes.Cut(text, []byte{'.'}); len(whole) == 10 && digits(whole) && digits(fraction) {
		n, err := strconv.ParseInt(string(whole), 10, 64)
		at = time.Unix(n, 0)
		return at, err == nil && c.valid(at)
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, string(text), c.zone); err == nil {
			return at, c.valid(at)
		}
	}
	return at, false
}

func (c *clock) valid(at time.Time) bool {
	return !at.Before(earliest) && (c.latest.IsZero() || !at.After(c.latest.AddDate(0, 0, 1)))
}

// longest is the longest call that is believed.
const longest = 365 * 24 * time.Hour

// seconds reads a duration in seconds, or as hh:mm:ss.
func seconds(text []byte) (d time.Duration, ok bool) {
	text = bytes.TrimSpace(text)
	total := 0.0
	parts := bytes.Split(text, []byte{':'})
	if len(text) == 0 || len(parts) > 3 {
		return 0, false
	}
	for _, p := range parts {
		whole, fraction, _ := bytes.Cut(p, []byte{'.'})
		n, err := strconv.ParseFloat(string(p), 64)
		if err != nil || len(whole) == 0 || !digits(whole) || !digits(fraction) {
			return 0, false
		}
		total = total*60 + n
	}
	if total > longest.Seconds() {
		return 0, false
	}
	return time.Duration(total * float64(time.Second)), true
}

func digits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
