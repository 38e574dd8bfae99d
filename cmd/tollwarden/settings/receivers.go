package settings

import (
	"crypto/tls"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// Receivers are those who get messages.
func Receivers(n *config.Notify) (notify.Receivers, error) {
	r := notify.Receivers{Within: n.Within, Limit: notify.Limit{Burst: n.Burst, Digest: n.Digest}}
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
