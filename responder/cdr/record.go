// Package cdr reads the records of past calls: the Master.csv of cdr_csv and of
// cdr_custom, exports of such tables as CSV, and rows of the table cdr in which
// FreePBX keeps them. It is pure: it reads from an io.Reader, or from rows that the
// caller has asked a database for.
package cdr

import (
	"bytes"
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
	clockTime // the time of day, if start has only the date
	celType
	celTime
	celApp
	celExten
	linkedid
	columns
)

// fill makes a record of the fields of a row. It says what is wrong, or "".
func (r *Record) fill(l *layout, fields [][]byte, clock *clock) string {
	field := func(c column) []byte { return l.field(fields, c) }
	var ok bool
	*r = Record{
		AccountCode: field(accountCode), Source: field(source), Dialled: field(dialled), Context: field(context), Channel: field(channel),
		OutChannel: field(outChannel), Data: field(data), Uniqueid: field(uniqueid),
	}
	if r.Start, ok = l.started(fields, clock); !ok {
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
	talked, isBilled := seconds(field(billed))
	switch text := field(answer); {
	case len(text) > 0:
		r.Answer, _ = clock.time(text)
	case isBilled && timed && (talked > 0 || isAnswered(field(disposition))):
		r.Answer = r.Start.Add(length - talked)
	case l.at[answer] < 0 && l.at[billed] < 0 && isAnswered(field(disposition)):
		r.Answer = r.Start // it is not known when: at most that
	}
	if r.Answer.Before(r.Start) || r.Answer.After(r.End) {
		r.Answer = time.Time{}
	}
	return ""
}

// started is when the call of a row began.
func (l *layout) started(fields [][]byte, clock *clock) (at time.Time, ok bool) {
	text := l.field(fields, start)
	if at, ok = clock.time(text); ok || l.at[clockTime] < 0 {
		return at, ok
	}
	return clock.time(append(append(bytes.Clone(bytes.TrimSpace(text)), ' '), l.field(fields, clockTime)...))
}

// answered are the words for an answered call, as plainName writes them.
var answered = map[string]bool{
	"answered": true, "answer": true, "beantwortet": true, "contestada": true, "contestado": true, "respondida": true, "respondido": true, "atendida": true, "atendido": true,
	"repondu": true, "decroche": true, "risposto": true, "risposta": true, "отвечен": true, "отвечено": true, "отвечена": true, "ответ": true, "beantwoord": true,
}

func isAnswered(disposition []byte) bool {
	return string(disposition) == "ANSWERED" || answered[plainName(string(disposition))]
}
