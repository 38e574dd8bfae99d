package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Security is the encryption of the connection to a mail server.
type Security string

// With STARTTLS, a server that does not offer it gets no mail. Without
// encryption, the client does not log in.
const (
	STARTTLS    Security = "starttls"
	TLS         Security = "tls" // from the first byte (SMTPS)
	Unencrypted Security = "none"
)

// Mail sends e-mail over SMTP.
type Mail struct {
	Server             string // host:port
	Security           Security
	TLS                *tls.Config // nil: the system's root certificates
	Username, Password string      // "": no login
	From               string
	To                 []string
}

// Name lists the recipients.
func (m *Mail) Name() string { return "e-mail " + strings.Join(m.To, ", ") }

// Deliver sends a message to every recipient. If the server rejects one of them,
// the others still get it.
func (m *Mail) Deliver(ctx context.Context, what *Message) error {
	letter, err := m.letter(what, m.To...)
	if err != nil {
		return err
	}
	client, session, err := m.login(ctx)
	if err != nil {
		return plainError(err) // a failed login is no verdict on this message
	}
	err = client.SendWithSMTPClient(session, letter)
	if sent := (*mail.SendError)(nil); len(m.To) > 1 && errors.As(err, &sent) && sent.Reason == mail.ErrSMTPRcptTo {
		err = m.deliverEach(client, session, what)
	} else {
		err = ofServer(err)
	}
	_ = client.CloseWithSMTPClient(session) // the server has already accepted or rejected the mail
	return err
}

// deliverEach sends a message to one recipient at a time: a mail to all of them
// is sent to none if one address is rejected.
func (m *Mail) deliverEach(client *mail.Client, session *smtp.Client, what *Message) error {
	var failures []string
	retry := false // worthwhile
	for _, to := range m.To {
		letter, err := m.letter(what, to)
		if err == nil {
			err = ofServer(client.SendWithSMTPClient(session, letter))
		}
		if err != nil {
			failures = append(failures, to+": "+err.Error())
			retry = retry || !refused(err)
		}
	}
	err := errors.New(strings.Join(failures, "; "))
	switch {
	case len(failures) == 0:
		return nil
	case len(failures) < len(m.To):
		return Partly{err}
	case retry:
		return err
	}
	return Refusal{err}
}

// letter makes a mail of a message: in plain text, with its page as the alternative, and its
// files attached.
func (m *Mail) letter(what *Message, to ...string) (*mail.Msg, error) {
	letter := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(letter.From(m.From), letter.To(to...)); err != nil {
		return nil, err
	}
	// Mail programs would decode anything that looks like an encoded word (RFC 2047).
	letter.Subject(strings.ReplaceAll(oneLine(what.Subject, maxSubject), "=?", "= ?"))
	letter.SetDate()
	letter.SetMessageID()
	// Keeps auto-responders quiet (RFC 3834, section 5).
	letter.SetGenHeader("Auto-Submitted", "auto-generated")
	letter.SetBodyString(mail.TypeTextPlain, lines(what.Text))
	if what.HTML != "" {
		letter.AddAlternativeString(mail.TypeTextHTML, what.HTML)
	}
	for _, f := range what.Files {
		if err := letter.AttachReader(f.Name, bytes.NewReader(f.Data), mail.WithFileContentType("application/jsonl")); err != nil {
			return nil, err
		}
	}
	return letter, nil
}

// Check logs in without sending.
func (m *Mail) Check(ctx context.Context) error {
	client, session, err := m.login(ctx)
	if err != nil {
		return err
	}
	return ofServer(client.CloseWithSMTPClient(session))
}

// login opens a session with the server that lasts until ctx ends.
func (m *Mail) login(ctx context.Context) (*mail.Client, *smtp.Client, error) {
	client, err := m.client(ctx)
	if err != nil {
		return nil, nil, err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	return client, session, ofServer(err)
}

// ofServer distinguishes permanent failures from temporary ones: replies of 500
// and above are permanent (RFC 5321, section 4.2.1).
func ofServer(err error) error {
	var answer *textproto.Error
	var sent *mail.SendError
	switch {
	case errors.As(err, &answer) && answer.Code >= 500, errors.As(err, &sent) && sent.ErrorCode() >= 500:
		return Refusal{plainError(err)}
	case err != nil:
		return plainError(err)
	}
	return nil
}

// plainError sanitizes an error that quotes the server.
func plainError(err error) error { return errors.New(oneLine(err.Error(), maxSubject)) }

// client prepares a client whose connection lasts until ctx ends.
func (m *Mail) client(ctx context.Context) (*mail.Client, error) {
	host, port, err := net.SplitHostPort(m.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	config := m.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.ServerName = host
	options := []mail.Option{
		mail.WithPort(number), mail.WithTLSConfig(config), mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			return m.dial(ctx, dialing, config, network, address)
		}),
	}
	if deadline, ok := ctx.Deadline(); ok {
		options = append(options, mail.WithTimeout(max(time.Second, time.Until(deadline))))
	}
	if m.Security != STARTTLS {
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if m.Security == TLS {
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic)) // the connection is encrypted already
	}
	if m.Username != "" && m.Security != Unencrypted {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.Username), mail.WithPassword(m.Password))
	}
	return mail.NewClient(host, options...)
}

// dial connects and closes the connection when ctx ends, whatever the library is
// waiting for.
func (m *Mail) dial(ctx, dialing context.Context, config *tls.Config, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	if m.Security != TLS {
		return conn, nil
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(dialing); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}
