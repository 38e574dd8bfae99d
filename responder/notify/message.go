package notify

import (
	"context"
	"errors"
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
	HTML    string // the same as a page for a mail; "": there is only the text
	Files   []File // attached to a mail
	Line    string // everything in one line, for a log
	JSON    any    // the body for a webhook
	Brief   any    // its entry in a webhook's digest
	// To are the only recipients, of a message to the person of an account (UserMail).
	To []string
}

// File is a file that a mail has attached.
type File struct {
	Name string
	Data []byte
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
func digestOf(style report.Style, now time.Time, listed []line, unlisted uint64) *Message {
	l, all := style.Language, int(uint64(len(listed))+unlisted)
	p := &report.Page{
		Language: l, Urgency: report.Info, Ref: l.Say("ref.digest"), Site: report.Plain(style.Site), When: l.Moment(now),
		Title: l.Say("digest.title", "n", all), Lead: []string{l.Say("digest.lead")},
	}
	d := digest{Event: "digest", At: now, Text: l.Say("digest.text", "n", all, "site", report.Plain(style.Site)), Messages: []any{}, Unnamed: unlisted}
	list := report.Section{Heading: l.Say("digest.heading")}
	for _, x := range listed {
		list.Lines = append(list.Lines, report.Line{When: x.at.Format("01-02 15:04:05"), Text: oneLine(x.subject, maxSubject)})
		d.Messages = append(d.Messages, x.brief)
	}
	if unlisted > 0 {
		list.Lines = append(list.Lines, report.Line{When: "–", Text: l.Say("digest.more", "n", int(unlisted))})
	}
	p.Sections = []report.Section{list}
	m := OfPage(p, d.Event, now)
	m.Line, m.JSON = d.Text, d
	return m
}

// OfPage makes the message of a page. Its line is the subject.
func OfPage(p *report.Page, kind string, at time.Time) *Message {
	var text, html strings.Builder
	_, _ = p.Text(&text), p.MailHTML(&html) // writing to a Builder cannot fail
	subject := oneLine(p.Subject(), maxSubject)
	return &Message{Kind: kind, At: at, Subject: subject, Text: lines(text.String()), HTML: html.String(), Line: subject}
}
