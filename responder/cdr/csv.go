package cdr

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// Bounds of a row.
const (
	maxLine = 64 << 10
	maxRow  = 4 // lines: a caller's name may contain a line feed
)

// CSV reads a Master.csv, or an export with the columns' names in its first row.
type CSV struct {
	in     *bufio.Reader
	clock  clock
	lines  uint64
	layout *layout
	comma  byte
	fields [][]byte
	joined []byte   // a row over several lines
	again  [][]byte // lines that were read and are to be read again
	owes   bool     // a line that was too long has yet to be reported
	bad    BadRow
	err    error // of the reader, once what was read before has been returned
}

// NewCSV reads records from in. zone is that of their times; those after latest, which may
// be zero, are not valid.
func NewCSV(in io.Reader, zone *time.Location, latest time.Time) *CSV {
	return &CSV{in: bufio.NewReaderSize(in, maxLine), clock: clock{zone, latest}}
}

// Lines is how many lines have been read.
func (c *CSV) Lines() uint64 { return c.lines }

// Next reads the next record.
func (c *CSV) Next(r *Record) error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		row, ok := c.row(line)
		if !ok {
			return c.wrong("not CSV", row)
		}
		if c.isHeader() {
			continue
		}
		layout := c.layout
		if layout == nil || !layout.fits(c.fields, &c.clock) {
			if found := headless(c.fields, &c.clock); found != nil {
				layout = found
			}
		}
		if layout == nil {
			return c.wrong("no call record: its columns are not known", row)
		}
		if c.layout == nil {
			c.layout = layout
		}
		if len(c.fields) <= layout.last {
			return c.wrong("too few fields", row)
		}
		if why := r.fill(func(n column) []byte { return layout.field(c.fields, n) }, &c.clock); why != "" {
			return c.wrong(why, row)
		}
		return nil
	}
}

// isHeader takes a row of names, from which on the columns are known.
func (c *CSV) isHeader() bool {
	found := named(c.fields)
	if found != nil {
		c.layout = found
	}
	return found != nil
}

func (c *CSV) wrong(why string, row []byte) error {
	c.bad = BadRow{c.lines - uint64(len(c.again)), why, row}
	return &c.bad
}

// line returns the next line without its end.
func (c *CSV) line() ([]byte, error) {
	if len(c.again) > 0 {
		line := c.again[0]
		c.again = c.again[1:]
		return line, nil
	}
	if c.owes {
		c.owes = false
		return nil, c.wrong("too long", nil)
	}
	if c.err != nil {
		return nil, c.err
	}
	line, err := c.in.ReadSlice('\n')
	long := false
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = c.in.ReadSlice('\n')
	}
	c.err = err
	if err != nil && len(line) == 0 {
		return nil, err
	}
	c.lines++
	if long {
		return nil, c.wrong("too long", nil)
	}
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if c.lines == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line, nil
}

// row splits a row, which goes on in the next lines if a quote is open at the end of the
// first. If no row comes of that, the first line is damaged, and the others are read again.
func (c *CSV) row(line []byte) (row []byte, ok bool) {
	if c.comma == 0 {
		c.comma = delimiter(line)
	}
	if c.fields, ok = Split(line, c.comma, c.fields[:0]); ok {
		return line, true
	}
	c.joined = append(c.joined[:0], line...)
	first := len(c.joined)
	var read [][]byte
	for len(read) < maxRow-1 && len(c.joined) < maxLine {
		next, err := c.line()
		if err != nil {
			_, c.owes = err.(*BadRow)
			break
		}
		read = append(read, bytes.Clone(next))
		if c.fields, ok = Split(next, c.comma, c.fields[:0]); ok && c.isRow() {
			break
		}
		c.joined = append(append(c.joined, '\n'), next...)
		if c.fields, ok = Split(c.joined, c.comma, c.fields[:0]); ok && c.isRow() {
			return c.joined, true
		}
	}
	c.again = append(read, c.again...)
	return c.joined[:first], false
}

// isRow reports whether the fields are those of a record.
func (c *CSV) isRow() bool {
	return c.layout != nil && c.layout.fits(c.fields, &c.clock) || headless(c.fields, &c.clock) != nil
}

// Sniff reports whether a file that begins like this holds call records.
func Sniff(head []byte) bool {
	c := NewCSV(bytes.NewReader(head), time.UTC, time.Time{})
	var r Record
	for range 3 {
		if c.Next(&r) == nil {
			return true
		}
		if c.layout != nil || len(c.fields) >= manyFields && bytes.HasPrefix(head, []byte{'"'}) {
			return true // names, or a damaged record
		}
	}
	return false
}

// manyFields are more than any line of a log has in quotes.
const manyFields = 16

// delimiter is what separates the fields of a line.
func delimiter(line []byte) byte {
	var count [256]int
	quoted := false
	for _, b := range line {
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			count[b]++
		}
	}
	most := byte(',')
	for _, b := range []byte(";\t") {
		if count[b] > count[most] {
			most = b
		}
	}
	return most
}
