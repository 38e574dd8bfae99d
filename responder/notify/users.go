package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/responder/report"
)

// UserSheet is the data of a message to the person of an account. It has nothing that
// would help a thief who reads that person's mail: no password, no address, and nothing of
// how he was noticed. Every string is safe to print.
type UserSheet struct {
	Account string
	Name    string // "" if it is not known
	Title   string // the account with its name
	At      string // when the password was changed
	Contact string // whom to ask
	Host    string // this machine
}

// UserWords are the templates of such a message.
type UserWords struct {
	subject, text *template.Template
	contact       string
}

// ParseUserWords parses the templates, which should have passed CheckUserTemplate.
func ParseUserWords(subject, text, contact string) (*UserWords, error) {
	s, err := parse(subject)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	t, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	return &UserWords{s, t, contact}, nil
}

// CheckUserTemplate says what is wrong with a template.
func CheckUserTemplate(text string) error {
	t, err := parse(text)
	if err != nil {
		return cleaned(err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, UserSheet{"1006", "Front desk", "1006 Front desk", "12:00", "the help desk", "pbx"}); err != nil {
		return cleaned(err)
	}
	if strings.TrimSpace(b.String()) == "" {
		return errors.New("its output is empty")
	}
	return nil
}

// Of makes the message that the password of an account was changed at a time; to are the
// addresses of its person.
func (w *UserWords) Of(host, account, name string, at time.Time, to []string) (*Message, error) {
	s := UserSheet{
		Account: report.Plain(account), Name: report.Plain(name), Title: report.Plain(people.Title(account, name)),
		At: at.Format("2006-01-02 15:04 MST"), Contact: report.Plain(w.contact), Host: report.Plain(host),
	}
	var subject, text strings.Builder
	if err := errors.Join(w.subject.Execute(&subject, s), w.text.Execute(&text, s)); err != nil {
		return nil, err
	}
	m := &Message{Kind: userKind, At: at, Subject: oneLine(subject.String(), maxSubject), Text: lines(text.String()), To: to}
	m.Line = oneLine("to the user of "+s.Title+": "+m.Subject, maxLine)
	return m, nil
}

// userKind is the kind of every message to a person of an account.
const userKind = "to a user"

// UserMail sends each message to the people it is for. What is for nobody, such as the
// digest of what their mail server refused, goes to the recipients of Mail.
type UserMail struct{ *Mail }

// Name says who gets it.
func (UserMail) Name() string { return "e-mail to a user" }

// Deliver sends a message to its own recipients.
func (u UserMail) Deliver(ctx context.Context, m *Message) error {
	if len(m.To) == 0 {
		return u.Mail.Deliver(ctx, m)
	}
	to := *u.Mail
	to.To = m.To
	return to.Deliver(ctx, m)
}
