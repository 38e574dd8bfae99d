package notify_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/tollwarden/tollwarden/responder/notify"
)

// exchange is a mail server that keeps the mails it receives.
type exchange struct {
	address string
	roots   *x509.CertPool
	server  *smtp.Server
	refuse  *smtp.SMTPError // its reply to every sender
	closed  map[string]int  // rejected recipients, with the reply code

	mu      sync.Mutex
	letters []string
	to      []string
	login   string // the last one's "user password"
	secure  bool   // the last mail came over TLS
}

// newExchange starts a server with the given encryption.
func newExchange(t *testing.T, secure notify.Security) *exchange {
	t.Helper()
	x := &exchange{}
	x.server = smtp.NewServer(x)
	x.server.Domain, x.server.AllowInsecureAuth = "mail.example.org", true // preventing that is the client's job
	certificate, roots := authority(t)
	x.roots = roots
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.address = listener.Addr().String()
	switch secure {
	case notify.STARTTLS:
		x.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	case notify.TLS:
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	done := make(chan error, 1)
	go func() { done <- x.server.Serve(listener) }()
	t.Cleanup(func() { _ = x.server.Close(); <-done })
	return x
}

// authority makes the certificate of 127.0.0.1.
func authority(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// NewSession and the methods of session are the server's side of one connection.
func (x *exchange) NewSession(c *smtp.Conn) (smtp.Session, error) {
	_, secure := c.TLSConnectionState()
	return &session{x: x, secure: secure}, nil
}

type session struct {
	x      *exchange
	secure bool
	to     []string
}

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.x.mu.Lock()
		defer s.x.mu.Unlock()
		s.x.login = user + " " + password
		if password != "right" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.x.refuse != nil {
		return s.x.refuse
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if code := s.x.closed[to]; code != 0 {
		return &smtp.SMTPError{Code: code, Message: "no mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	s.x.letters, s.x.to, s.x.secure = append(s.x.letters, string(b)), s.to, s.secure
	return err
}
func (s *session) Reset()      { s.to = nil }
func (*session) Logout() error { return nil }

func (x *exchange) mail(security notify.Security) *notify.Mail {
	return &notify.Mail{
		Server: x.address, Security: security, TLS: &tls.Config{RootCAs: x.roots},
		From: "tollwarden@example.org", To: []string{"ops@example.org", "boss@example.org"},
	}
}

// within is enough time for a server on this machine.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Mail arrives over each kind of connection, with a login where one is
// configured; a check logs in without sending.
func TestMail(t *testing.T) {
	for _, security := range []notify.Security{notify.STARTTLS, notify.TLS, notify.Unencrypted} {
		t.Run(string(security), func(t *testing.T) {
			x := newExchange(t, security)
			m := x.mail(security)
			if security != notify.Unencrypted {
				m.Username, m.Password = "tollwarden", "right"
			}
			if err := m.Check(within(t)); err != nil || len(x.letters) != 0 {
				t.Fatalf("check: %v, %d letters", err, len(x.letters))
			}
			if err := m.Deliver(within(t), &notify.Message{Subject: "Break-in on account 1002 – pbx", Text: "one\ntwo\n"}); err != nil {
				t.Fatal(err)
			}
			letter, err := mail.ReadMessage(strings.NewReader(x.letters[0]))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(letter.Header.Get("Subject"))
			if err != nil || subject != "Break-in on account 1002 – pbx" {
				t.Errorf("subject %q, %v", subject, err)
			}
			body, _ := io.ReadAll(letter.Body)
			if string(body) != "one\r\ntwo\r\n" || !strings.HasPrefix(letter.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("body %q, %s", body, letter.Header.Get("Content-Type"))
			}
			for key, want := range map[string]string{"From": "<tollwarden@example.org>", "To": "<ops@example.org>, <boss@example.org>", "Auto-Submitted": "auto-generated"} {
				if got := letter.Header.Get(key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
			if !slices.Equal(x.to, m.To) || x.secure != (security == notify.STARTTLS) && security != notify.TLS {
				t.Errorf("to %q, encrypted %v", x.to, x.secure)
			}
			if security != notify.Unencrypted && x.login != "tollwarden right" {
				t.Errorf("login %q", x.login)
			}
		})
	}
}

// The password is never sent unencrypted, and never to a server whose certificate
// does not verify.
func TestMailPasswordIsSafe(t *testing.T) {
	plain, tlsOnly := newExchange(t, notify.Unencrypted), newExchange(t, notify.STARTTLS)
	untrusted := tlsOnly.mail(notify.STARTTLS)
	untrusted.TLS = nil
	for name, c := range map[string]struct {
		x *exchange
		m *notify.Mail
	}{
		"STARTTLS is not offered":     {plain, plain.mail(notify.STARTTLS)},
		"the server does not use TLS": {plain, plain.mail(notify.TLS)},
		"unknown authority":           {tlsOnly, untrusted},
	} {
		c.m.Username, c.m.Password = "tollwarden", "right"
		err := c.m.Deliver(within(t), &notify.Message{Subject: "x"})
		if err == nil || c.x.login != "" || len(c.x.letters) > 0 {
			t.Errorf("%s: %v, login %q, %d letters", name, err, c.x.login, len(c.x.letters))
		}
	}
	unencrypted := plain.mail(notify.Unencrypted)
	unencrypted.Username, unencrypted.Password = "tollwarden", "right"
	if err := unencrypted.Deliver(within(t), &notify.Message{Subject: "x"}); err != nil || plain.login != "" {
		t.Errorf("without encryption: %v, login %q", err, plain.login)
	}
}

// The server's reply code decides whether a delivery is retried.
func TestMailRefusals(t *testing.T) {
	x := newExchange(t, notify.STARTTLS)
	m := x.mail(notify.STARTTLS)
	for code, want := range map[int]bool{451: false, 550: true} {
		x.refuse = &smtp.SMTPError{Code: code, Message: "not\x1b[2J now"}
		err := m.Deliver(within(t), &notify.Message{Subject: "x"})
		if err == nil || errors.As(err, new(notify.Refusal)) != want || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%d: %q", code, err)
		}
	}
	x.refuse = nil
	m.Username, m.Password = "tollwarden", "wrong"
	if err := m.Deliver(within(t), &notify.Message{Subject: "x"}); err == nil || errors.As(err, new(notify.Refusal)) {
		t.Errorf("a wrong password: %v, want an error that is no Refusal", err)
	}
	if err := m.Check(within(t)); !errors.As(err, new(notify.Refusal)) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
}

// A rejected address does not keep the mail from the other recipients.
func TestMailBadAddress(t *testing.T) {
	ops, boss := "ops@example.org", "boss@example.org"
	for name, c := range map[string]struct {
		closed  map[string]int
		arrives bool
		final   bool
	}{
		"one is gone":              {map[string]int{boss: 550}, true, false},
		"one is full":              {map[string]int{boss: 452}, true, false},
		"both are gone":            {map[string]int{ops: 550, boss: 550}, false, true},
		"one is gone, one is full": {map[string]int{ops: 452, boss: 550}, false, false},
	} {
		x := newExchange(t, notify.STARTTLS)
		x.closed = c.closed
		err := x.mail(notify.STARTTLS).Deliver(within(t), &notify.Message{Subject: "x", Text: "y"})
		if errors.As(err, new(notify.Partly)) != c.arrives || errors.As(err, new(notify.Refusal)) != c.final {
			t.Errorf("%s: %#v", name, err)
		}
		if arrived := len(x.letters) == 1 && slices.Equal(x.to, []string{ops}); arrived != c.arrives {
			t.Errorf("%s: %d letters, to %q", name, len(x.letters), x.to)
		}
		if err == nil || !strings.Contains(err.Error(), boss+": ") || strings.Contains(err.Error(), ops+": ") == c.arrives {
			t.Errorf("%s: it does not name who got nothing: %v", name, err)
		}
	}
}

// A server that hangs at any point does not block longer than the timeout.
func TestMailServerThatHangs(t *testing.T) {
	for name, says := range map[string]string{"at once": "", "after the greeting": "220 mail.example.org\r\n"} {
		for _, security := range []notify.Security{notify.STARTTLS, notify.TLS} {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, says)
				}
			}()
			m := &notify.Mail{Server: listener.Addr().String(), Security: security, From: "a@example.org", To: []string{"b@example.org"}}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			start := time.Now()
			err = m.Deliver(ctx, &notify.Message{Subject: "x"})
			if err == nil || time.Since(start) > 3*time.Second {
				t.Errorf("%s, %s: %v after %s", name, security, err, time.Since(start))
			}
			cancel()
			_ = listener.Close()
		}
	}
}

// nasties are values with which an attacker might try to inject something.
var nasties = []string{
	"a\r\nBcc: thief@example.net", "a\nX: y\n\nbody", "a\r\n\r\n.\r\nMAIL FROM:<x>", "\x00\x1b]0;title\a", "=?utf-8?q?a=0D=0ABcc:_thief?=",
	"\u2028\u202e\u0085x", "\xff\xfe", "{{.Report}}", "<0>", `"`, strings.Repeat("long \r\n", 1000),
}

// A subject cannot add headers or recipients.
func TestMailHeadersCannotBeInjected(t *testing.T) {
	x := newExchange(t, notify.STARTTLS)
	m := x.mail(notify.STARTTLS)
	for _, nasty := range nasties {
		if err := m.Deliver(within(t), &notify.Message{Subject: nasty, Text: "." + nasty}); err != nil {
			t.Fatal(err)
		}
		letter, err := mail.ReadMessage(strings.NewReader(x.letters[len(x.letters)-1]))
		if err != nil {
			t.Fatal(err)
		}
		checkHeaders(t, letter.Header)
		if len(x.to) != 2 {
			t.Errorf("%q went to %q", nasty, x.to)
		}
	}
}

// checkHeaders checks that a mail has the expected headers and no others.
func checkHeaders(t *testing.T, h mail.Header) {
	t.Helper()
	for key, values := range h {
		if !slices.Contains([]string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}, key) || len(values) != 1 {
			t.Errorf("header %s: %q", key, values)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || strings.ContainsFunc(subject, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("subject %q, %v", subject, err)
	}
}
