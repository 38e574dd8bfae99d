package cdr

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Bounds of a row.
const (
	maxLine = 64 << 10
	maxRow  = 16 // lines: a caller's name, or what Dial was asked for, may contain line feeds
)

// CSV reads call records, or events of channels as calls: a Master.csv, or an export with
// the columns' names in its first row.
type CSV struct {
	source  io.Reader
	in      *bufio.Reader
	clock   clock
	lines   uint64
	layout  *layout
	events  eventCalls
	comma   byte
	dialect dialect
	fields  [][]byte
	joined  []byte   // a row over several lines
	again   [][]byte // lines that were read and are to be read again
	owes    bool     // a line that was too long has yet to be reported
	serial  uint32   // of channels made up for exports without any
	channel []byte
	bad     BadRow
	err     error // of the reader, once what was read before has been returned
}

// NewCSV reads records from in. zone is that of their times; those after latest, which may
// be zero, are not valid. order is that of day and month in dates where it matters: if it
// is Unclear, such a date ends the reading with an *UnclearDate.
func NewCSV(in io.Reader, zone *time.Location, latest time.Time, order Order) *CSV {
	return &CSV{source: in, clock: clock{zone: zone, latest: latest, order: order}}
}

// UnclearDate is an error about a date that may be read in two ways.
type UnclearDate struct {
	Line uint64
	Text string
}

// Error says what a person can do.
func (u *UnclearDate) Error() string {
	return fmt.Sprintf("line %d: %q may have the day or the month first, and no date in the file settles that: give --dates day-first or --dates month-first", u.Line, u.Text)
}

// Lines is how many lines have been read.
func (c *CSV) Lines() uint64 { return c.lines }

// Next reads the next record.
func (c *CSV) Next(r *Record) error {
	for {
		if c.events.next(r) {
			return nil
		}
		line, err := c.line()
		if errors.Is(err, io.EOF) && len(c.events.order) > 0 {
			c.events.flush()
			continue
		}
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 || isRule(line) || c.lines == 1 && bytes.HasPrefix(line, []byte("sep=")) {
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
		if c.clock.ambiguous != "" {
			return &UnclearDate{c.lines - uint64(len(c.again)), c.clock.ambiguous}
		}
		if layout == nil {
			return c.wrong("no call record: its columns are not known; write their names into the first line", row)
		}
		if c.layout == nil {
			c.layout = layout
		}
		if len(c.fields) <= layout.last {
			return c.wrong("too few fields", row)
		}
		if layout.events {
			if why := c.events.add(layout, c.fields, &c.clock); why != "" {
				return c.wrong(why, row)
			}
			continue
		}
		why := r.fill(layout, c.fields, &c.clock)
		if why == "" && layout.at[channel] < 0 {
			why = c.callBySource(r)
		}
		if why != "" {
			return c.wrong(why, row)
		}
		return nil
	}
}

// longestExtension is the longest caller's number that is taken for an extension.
const longestExtension = 6

// callBySource makes up the channel of a record in a list that has none, such as what a
// web page shows: the caller's extension is the account.
func (c *CSV) callBySource(r *Record) string {
	if len(r.Source) == 0 || len(r.Source) > longestExtension || !digits(r.Source) {
		return "the file has no column with channels, and the caller is no extension"
	}
	c.serial++
	c.channel = fmt.Appendf(c.channel[:0], "PJSIP/%s-%08x", r.Source, c.serial)
	r.Channel = c.channel
	return ""
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
	if c.in == nil {
		c.in = utf8Reader(c.source)
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
	if c.split(line) {
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
		if c.split(next) && c.isRow() {
			break
		}
		c.joined = append(append(c.joined, '\n'), next...)
		if c.split(c.joined) && c.isRow() {
			return c.joined, true
		}
	}
	c.again = append(read, c.again...)
	return c.joined[:first], false
}

// split splits a row in the dialect of the last one or, if no record comes of that, in
// another one.
func (c *CSV) split(line []byte) (ok bool) {
	if c.fields, ok = c.dialect.split(line, c.comma, c.fields[:0]); ok && (c.isRow() || named(c.fields) != nil) {
		return true
	}
	for d := range dialects {
		if d == c.dialect {
			continue
		}
		if fields, split := d.split(line, c.comma, nil); split {
			before := c.fields
			if c.fields = fields; c.isRow() || named(fields) != nil {
				c.dialect = d
				return true
			}
			c.fields = before
		}
	}
	return ok
}

// isRow reports whether the fields are those of a record.
func (c *CSV) isRow() bool {
	return c.layout != nil && c.layout.fits(c.fields, &c.clock) || headless(c.fields, &c.clock) != nil
}

// manyFields are more than any line of a log has in quotes.
const manyFields = 16

// Sniff reports whether a file that begins like this holds call records.
func Sniff(head []byte) bool {
	c := NewCSV(bytes.NewReader(head), time.UTC, time.Time{}, Unclear)
	var r Record
	for range 3 {
		err := c.Next(&r)
		var unclear *UnclearDate
		if err == nil || errors.As(err, &unclear) {
			return true
		}
		if c.layout != nil || len(c.fields) >= manyFields && bytes.HasPrefix(head, []byte{'"'}) {
			return true // names, or a damaged record
		}
	}
	return false
}
