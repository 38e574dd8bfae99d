package settings

import (
	"crypto/tls"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/texts"
)

// Receivers are those who get messages.
func Receivers(n *config.Notify) (notify.Receivers, error) {
	r := notify.Receivers{Within: n.Within, Limit: notify.Limit{Burst: n.Burst, Digest: n.Digest}, Language: Language(n)}
	if n.Webhook != "" {
		r.Webhook = &notify.Webhook{URL: n.Webhook}
	}
	if n.Syslog != "" {
		r.Syslog = &notify.Syslog{Socket: n.Syslog}
	}
	if n.Mail.Server == "" {
		return r, nil
	}
	mail, err := mailReceiver(&n.Mail)
	if err != nil {
		return r, err
	}
	r.Mail = mail
	if n.Users.Mail {
		r.Users = notify.UserMail{Mail: mail}
	}
	return r, nil
}

// Language is that of messages.
func Language(n *config.Notify) *texts.Language {
	l, _ := texts.In(n.Language) // a reading checks it
	return l
}

// Words are the templates of messages about incidents.
func Words(n *config.Notify) (*notify.Words, error) {
	words, err := notify.ParseWords(n.Subject, n.Text)
	if err != nil {
		return nil, err
	}
	return words.In(Language(n)), nil
}

// UserWords are the templates of messages to the people of extensions: those of the language,
// unless the configuration has its own.
func UserWords(n *config.Notify) (*notify.UserWords, error) {
	subject, text, usual := n.Users.Subject, n.Users.Text, config.Default().Notify.Users
	if subject == usual.Subject {
		subject = Language(n).Say("user.subject")
	}
	if text == usual.Text {
		text = Language(n).Say("user.text")
	}
	return notify.ParseUserWords(subject, text, n.Users.Contact)
}

func mailReceiver(m *config.Mail) (*notify.Mail, error) {
	to := &notify.Mail{
		Server: m.Server, Security: notify.Security(m.Security), Username: m.Username, Password: string(m.Password),
		From: m.From, To: m.To, TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if m.CA == "" {
		return to, nil
	}
	var err error
	to.TLS.RootCAs, err = certificates("notify.mail.ca", m.CA)
	return to, err
}
