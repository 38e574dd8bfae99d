// Package cdr reads the records of past calls: the Master.csv of cdr_csv and of
// cdr_custom, exports of such tables as CSV, and rows of the table cdr in which
// FreePBX keeps them. It is pure: it reads from an io.Reader, or from rows that the
// caller has asked a database for.
package cdr

import (
	"fmt"
	"time"
)

// Record is one call, or one leg of it. Its texts are borrowed until the next one is
// read.
type Record struct {
	AccountCode []byte
	Source      []byte // the caller's number
	Dialled     []byte
	Context     []byte
	Channel     []byte // of whoever called, such as PJSIP/1001-0000002a
	OutChannel  []byte // that was dialled; empty if none was
	Data        []byte // what Dial was asked for, such as PJSIP/00441632960001@carrier,30
	Uniqueid    []byte
	Start       time.Time
	Answer      time.Time // zero: not answered
	End         time.Time
}

// Answered reports whether the call was answered.
func (r *Record) Answered() bool { return !r.Answer.IsZero() }

// Reader reads records, in the order in which they were written: when their calls ended.
type Reader interface {
	// Next reads the next record. It returns io.EOF at the end, and a *BadRow for
	// a row that cannot be read: the next call goes on behind it.
	Next(r *Record) error
}

// BadRow says why a row cannot be read.
type BadRow struct {
	Line uint64 // or the number of the row
	Why  string
	Text []byte // the row, borrowed
}

// Error says where the row is, and what is wrong.
func (b *BadRow) Error() string { return fmt.Sprintf("line %d: %s", b.Line, b.Why) }

// column is a field of a record.
type column uint8

const (
	accountCode column = iota
	source
	dialled
	context
	channel
	outChannel
	data
	start
	answer
	end
	duration
	billed
	disposition
	uniqueid
	columns
)

// names are the names that a column has in the headers of exports.
var names = map[string]column{
	"accountcode": accountCode, "account": accountCode, "src": source, "source": source, "dst": dialled, "destination": dialled,
	"dcontext": context, "destination context": context, "channel": channel, "source channel": channel, "dstchannel": outChannel, "destination channel": outChannel,
	"lastdata": data, "last data": data, "start": start, "calldate": start, "call date": start, "date": start, "answer": answer, "end": end,
	"duration": duration, "billsec": billed, "billable seconds": billed, "disposition": disposition, "uniqueid": uniqueid, "unique id": uniqueid,
}

// fill makes a record of the fields of a row; at says where each column is, -1 for one
// that there is not. It says what is wrong, or "".
func (r *Record) fill(field func(column) []byte, clock *clock) string {
	var ok bool
	*r = Record{
		AccountCode: field(accountCode), Source: field(source), Dialled: field(dialled), Context: field(context), Channel: field(channel),
		OutChannel: field(outChannel), Data: field(data), Uniqueid: field(uniqueid),
	}
	if r.Start, ok = clock.time(field(start)); !ok {
		return "its start is not a valid time"
	}
	length, timed := seconds(field(duration))
	if text := field(end); len(text) > 0 {
		if r.End, ok = clock.time(text); !ok {
			return "its end is not a valid time"
		}
	} else if timed {
		r.End = r.Start.Add(length)
	} else {
		return "it has neither an end nor a duration"
	}
	if r.End.Before(r.Start) {
		return "its end is before its start"
	}
	if text := field(answer); len(text) > 0 {
		r.Answer, _ = clock.time(text)
	} else if talked, ok := seconds(field(billed)); ok && timed && (talked > 0 || string(field(disposition)) == "ANSWERED") {
		r.Answer = r.Start.Add(length - talked)
	}
	if r.Answer.Before(r.Start) || r.Answer.After(r.End) {
		r.Answer = time.Time{}
	}
	return ""
}
