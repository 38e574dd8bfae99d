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

// Message is one notification, in a form for each kind of receiver.
type Message struct {
	Kind    string // what Limit counts by: the name of a threshold or of an alarm
	At      time.Time
	Subject string // one line
	Text    string // several lines
	Line    string // everything in one line, for a log
	JSON    any    // the body for a webhook
	Brief   any    // its entry in a webhook's digest
	// To are the only recipients, of a message to the person of an account (UserMail).
	To []string
}

// Receiver delivers messages to one destination.
type Receiver interface {
	// Name identifies the receiver to people. It contains no secret.
	Name() string
	// Deliver makes one attempt, until ctx ends. A Refusal means that retrying
	// the same message is pointless; Partly means that at least one recipient
	// has it.
	Deliver(ctx context.Context, m *Message) error
	// Check says whether a delivery would work now, without sending anything.
	Check(ctx context.Context) error
}

// Refusal is the error of a receiver that answered but rejected the message.
type Refusal struct{ Err error }

// Error is what the receiver said.
func (r Refusal) Error() string { return r.Err.Error() }

// Unwrap gives the cause.
func (r Refusal) Unwrap() error { return r.Err }

// Partly is the error of a receiver with several recipients of which only some
// got the message. It is not retried for the others, because the first would get
// it twice.
type Partly struct{ Err error }

// Error names the recipients that did not get it, and why.
func (p Partly) Error() string { return p.Err.Error() }

// Unwrap gives the cause.
func (p Partly) Unwrap() error { return p.Err }

func isPartly(err error) bool { return errors.As(err, new(Partly)) }

func refused(err error) bool { return errors.As(err, new(Refusal)) }

// Bounds in bytes: of a subject, of which mail programs show less, and of a syslog
// line, since every daemon should accept 2 kB (RFC 5424, section 6.1).
const (
	maxSubject = 300
	maxLine    = 1900
)

// oneLine turns untrusted text into one line of at most so many bytes that is
// safe to print anywhere.
func oneLine(s string, most int) string {
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

// lines sanitizes a text line by line.
func lines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(report.Plain(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return b.String()
}

// digest is a digest's JSON.
type digest struct {
	Event    string    `json:"event"` // "digest"
	At       time.Time `json:"at"`
	Text     string    `json:"text"`
	Messages []any     `json:"messages"` // incidents without their evidence and calls, and alarms
	Unnamed  uint64    `json:"unnamed"`  // messages that did not fit in Messages
}

// line is one message in a digest.
type line struct {
	at      time.Time
	subject string
	brief   any
}

// digestOf lists messages in one; unlisted is how many more there were.
func digestOf(host string, now time.Time, listed []line, unlisted uint64) *Message {
	all := uint64(len(listed)) + unlisted
	d := digest{Event: "digest", At: now, Messages: []any{}, Unnamed: unlisted}
	d.Text = fmt.Sprintf("%d more messages from %s", all, host)
	if all == 1 {
		d.Text = "1 more message from " + host
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, not sent individually. `tollwarden incidents` lists all incidents.\n\n", d.Text)
	for _, l := range listed {
		fmt.Fprintf(&b, "%s  %s\n", l.at.Format("2006-01-02 15:04:05"), l.subject)
		d.Messages = append(d.Messages, l.brief)
	}
	if unlisted > 0 {
		fmt.Fprintf(&b, "and %d more, too many to list here\n", unlisted)
	}
	return &Message{Kind: d.Event, At: now, Subject: "[tollwarden] " + d.Text, Text: b.String(), Line: d.Text, JSON: d}
}
