package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tollwarden/tollwarden/responder/report"
)

// Message is one thing to be told.
type Message struct {
	Kind    string // what the limit counts by: a threshold's name, or an alarm's
	At      time.Time
	Subject string // one line
	Text    string // several
	Line    string // the whole in one line, for a log
	JSON    any    // what a webhook gets
	Brief   any    // what it gets in a digest
}

// Receiver is somebody who is told.
type Receiver interface {
	// Name is the receiver for people to read. It holds no secret.
	Name() string
	// Deliver tries once, until ctx ends. An error that is a Refusal says that
	// trying again with the same message is of no use; one that is Partly, that
	// the message has arrived all the same.
	Deliver(ctx context.Context, m *Message) error
	// Check says whether the receiver could be told now, and tells it nothing.
	Check(ctx context.Context) error
}

// Refusal is the error of a receiver that answered and does not take a message.
type Refusal struct{ Err error }

// Error is what the receiver said.
func (r Refusal) Error() string { return r.Err.Error() }

// Unwrap gives the cause.
func (r Refusal) Unwrap() error { return r.Err }

// Partly is the error of a receiver that is several people of whom some have the
// message. It is not tried again for the others: it would come to the first anew.
type Partly struct{ Err error }

// Error is what was said of those who do not have it.
func (p Partly) Error() string { return p.Err.Error() }

// Unwrap gives the cause.
func (p Partly) Unwrap() error { return p.Err }

func partly(err error) bool { return errors.As(err, new(Partly)) }

func refused(err error) bool { return errors.As(err, new(Refusal)) }

// Bounds in bytes of a subject, of which mail programs show less, and of a line
// of syslog: the least that every daemon takes whole is 2 kB (RFC 5424, 6.1).
const (
	maxSubject = 300
	maxLine    = 1900
)

// OneLine makes text of strangers one line that is safe anywhere, of so many
// bytes at most.
func OneLine(s string, most int) string {
	s = report.Plain(strings.Join(strings.Fields(s), " "))
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// lines makes every line of a text plain.
func lines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(report.Plain(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

// digest is the JSON of one.
type digest struct {
	Event    string    `json:"event"` // "digest"
	At       time.Time `json:"at"`
	Text     string    `json:"text"`
	Messages []any     `json:"messages"` // incidents without their evidence and calls, and alarms
	Unnamed  uint64    `json:"unnamed"`  // there was no room for
}

// line is one message in a digest.
type line struct {
	at      time.Time
	subject string
	brief   any
}

// digestOf names messages in one. unnamed are those that there was no room for.
func digestOf(host string, now time.Time, named []line, unnamed uint64) *Message {
	all := uint64(len(named)) + unnamed
	d := digest{Event: "digest", At: now, Messages: []any{}, Unnamed: unnamed}
	d.Text = fmt.Sprintf("%d more messages from %s", all, host)
	if all == 1 {
		d.Text = "1 more message from " + host
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, which were not sent one by one. `tollwarden incidents` lists all incidents.\n\n", d.Text)
	for _, l := range named {
		fmt.Fprintf(&b, "%s  %s\n", l.at.Format("2006-01-02 15:04:05"), l.subject)
		d.Messages = append(d.Messages, l.brief)
	}
	if unnamed > 0 {
		fmt.Fprintf(&b, "and %d more, too many to name here\n", unnamed)
	}
	return &Message{Kind: d.Event, At: now, Subject: "[tollwarden] " + d.Text, Text: b.String(), Line: d.Text, JSON: d}
}
