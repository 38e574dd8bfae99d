package notify

import (
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

// Security is how the connection to a mail server is encrypted.
type Security string

// With STARTTLS a server that does not offer it gets no mail. Without encryption
// there is no login.
const (
	STARTTLS    Security = "starttls"
	TLS         Security = "tls" // from the first byte
	Unencrypted Security = "none"
)

// Mail tells by e-mail, over SMTP.
type Mail struct {
	Server             string // host:port
	Security           Security
	TLS                *tls.Config // nil: the system's authorities, the server's own name
	Username, Password string      // "" is no login
	From               string
	To                 []string
}

// Name is who gets the mail.
func (m *Mail) Name() string { return "e-mail " + strings.Join(m.To, ", ") }

// Deliver sends one message to every recipient. Where the server does not take
// one of them, the others get it all the same.
func (m *Mail) Deliver(ctx context.Context, what *Message) error {
	letter, err := m.letter(what, m.To...)
	if err != nil {
		return err
	}
	client, session, err := m.login(ctx)
	if err != nil {
		return plainError(err) // a login that fails says nothing of this message
	}
	err = client.SendWithSMTPClient(session, letter)
	if sent := (*mail.SendError)(nil); len(m.To) > 1 && errors.As(err, &sent) && sent.Reason == mail.ErrSMTPRcptTo {
		err = m.deliverEach(client, session, what)
	} else {
		err = ofServer(err)
	}
	_ = client.CloseWithSMTPClient(session) // the server has the letter, or has said why not
	return err
}

// deliverEach sends a message to one recipient after the other: a letter to all
// is sent to none when one address is refused.
func (m *Mail) deliverEach(client *mail.Client, session *smtp.Client, what *Message) error {
	var failures []string
	again := false // is of use
	for _, to := range m.To {
		letter, err := m.letter(what, to)
		if err == nil {
			err = ofServer(client.SendWithSMTPClient(session, letter))
		}
		if err != nil {
			failures = append(failures, to+": "+err.Error())
			again = again || !refused(err)
		}
	}
	err := errors.New(strings.Join(failures, "; "))
	switch {
	case len(failures) == 0:
		return nil
	case len(failures) < len(m.To):
		return Partly{err}
	case again:
		return err
	}
	return Refusal{err}
}

// letter is a message as a mail: text alone, no markup.
func (m *Mail) letter(what *Message, to ...string) (*mail.Msg, error) {
	letter := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(letter.From(m.From), letter.To(to...)); err != nil {
		return nil, err
	}
	// What looks like an encoded word would be decoded by who reads it (RFC 2047).
	letter.Subject(strings.ReplaceAll(OneLine(what.Subject, maxSubject), "=?", "= ?"))
	letter.SetDate()
	letter.SetMessageID()
	// No holiday greetings in return (RFC 3834, section 5).
	letter.SetGenHeader("Auto-Submitted", "auto-generated")
	letter.SetBodyString(mail.TypeTextPlain, lines(what.Text))
	return letter, nil
}

// Check logs in and sends nothing.
func (m *Mail) Check(ctx context.Context) error {
	client, session, err := m.login(ctx)
	if err != nil {
		return err
	}
	return ofServer(client.CloseWithSMTPClient(session))
}

// login begins a session with the server, which lasts until ctx ends.
func (m *Mail) login(ctx context.Context) (*mail.Client, *smtp.Client, error) {
	client, err := m.client(ctx)
	if err != nil {
		return nil, nil, err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	return client, session, ofServer(err)
}

// ofServer tells what a server will not take from what it cannot take now: its
// answers from 500 on are final (RFC 5321, section 4.2.1).
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

// plainError is an error with words of a server's made safe.
func plainError(err error) error { return errors.New(OneLine(err.Error(), maxSubject)) }

// client is the way to the server, until ctx ends.
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
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic)) // finds that it is encrypted already
	}
	if m.Username != "" && m.Security != Unencrypted {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.Username), mail.WithPassword(m.Password))
	}
	return mail.NewClient(host, options...)
}

// dial connects; the connection is closed when ctx ends, whatever the library
// is waiting for then.
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
