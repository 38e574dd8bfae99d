package cdr

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"time"
)

// FindOrder finds the order of day and month in the dates of a file: by a date in it that
// can be read in one way only. It is Unclear if no date's order matters, and an *UnclearDate
// if all dates can be read in two ways. latest is as for NewCSV.
func FindOrder(in io.Reader, zone *time.Location, latest time.Time) (Order, error) {
	c := NewCSV(in, zone, latest, Unclear)
	var r Record
	var first *UnclearDate
	for read := 0; ; read++ {
		err := c.Next(&r)
		var bad *BadRow
		var unclear *UnclearDate
		switch {
		case c.clock.evidence != Unclear:
			return c.clock.evidence, nil
		case errors.Is(err, io.EOF) && first != nil:
			return Unclear, first
		case errors.Is(err, io.EOF):
			return Unclear, nil
		case errors.As(err, &unclear):
			c.clock.ambiguous, first = "", cmp.Or(first, unclear)
		case err != nil && !errors.As(err, &bad):
			return Unclear, err
		case read == unnumbered && !c.clock.numeric:
			return Unclear, nil
		}
	}
}

// unnumbered is after how many rows without such a date none is expected.
const unnumbered = 1000

// NeedsOrder reports whether a file that begins like this has dates whose order of day and
// month matters.
func NeedsOrder(head []byte, zone *time.Location) bool {
	c := NewCSV(bytes.NewReader(head), zone, time.Time{}, DayFirst)
	var r Record
	for range 10 {
		if err := c.Next(&r); c.clock.numeric || errors.Is(err, io.EOF) {
			break
		}
	}
	return c.clock.numeric
}
