package cdr

import (
	"database/sql"
	"io"
	"time"
)

// Columns are what Rows expects of the table cdr, in this order.
const Columns = "calldate, clid, src, dst, dcontext, channel, dstchannel, lastapp, lastdata, duration, billsec, disposition, amaflags, accountcode, uniqueid"

const tableColumns = 15

// Source is the result of a query: *sql.Rows.
type Source interface {
	Next() bool
	Scan(to ...any) error
	Err() error
}

// Rows reads the rows of a query for Columns. A row has no time of answer: it is its
// start and its duration without what was billed.
type Rows struct {
	rows   Source
	clock  clock
	n      uint64
	fields [tableColumns]sql.RawBytes
	to     [tableColumns]any
	row    [tableColumns][]byte
	bad    BadRow
}

// NewRows reads records from rows, which the caller closes. zone is that of their times.
func NewRows(rows Source, zone *time.Location, latest time.Time) *Rows {
	r := &Rows{rows: rows, clock: clock{zone: zone, latest: latest}}
	for i := range r.fields {
		r.to[i] = &r.fields[i]
	}
	return r
}

// Lines is how many rows have been read.
func (s *Rows) Lines() uint64 { return s.n }

// Next reads the next record.
func (s *Rows) Next(r *Record) error {
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	s.n++
	if err := s.rows.Scan(s.to[:]...); err != nil {
		s.bad = BadRow{Line: s.n, Why: err.Error()}
		return &s.bad
	}
	for i, raw := range s.fields {
		s.row[i] = raw
	}
	why := r.fill(ofTable, s.row[:], &s.clock)
	if why != "" {
		s.bad = BadRow{s.n, why, s.fields[0]}
		return &s.bad
	}
	return nil
}
