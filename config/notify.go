package config

import (
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Notify says where messages go, and how many.
type Notify struct {
	Webhook string // URL that gets each incident as JSON; "" is off
	Syslog  string // socket that gets a line for each incident; "" is off
	Mail    Mail
	Users   Users
	Within  time.Duration // time limit of one delivery
	Burst   int           // messages of one kind sent one by one within Digest
	Digest  time.Duration // how long the messages after them are collected
	Subject string        // template of a message's subject
	Text    string        // template of its text
	// Language is the code of the language of messages, such as "en".
	Language string
	Weekly   Weekly
}

// Weekly says when the weekly summary is sent, in this machine's time zone.
type Weekly struct {
	On  bool
	Day time.Weekday
	At  time.Duration // since midnight
}

// Anybody reports whether there is a receiver.
func (n *Notify) Anybody() bool { return n.Webhook != "" || n.Syslog != "" || n.Mail.Server != "" }

// Users says what the person of an extension hears of a changed password.
type Users struct {
	Mail    bool   // an e-mail goes to the addresses in voicemail.conf
	Contact string // whom to ask, in words
	Subject string // template of its subject
	Text    string // template of its text
}

// Mail says how e-mail is sent.
type Mail struct {
	Server   string // host:port; "" is no e-mail
	Security string // starttls | tls | none
	CA       string // file with the certificate authority to trust; "" is the system's
	Username string // "" is no login
	Password Secret
	From     string
	To       []string
}

// Exec is the command that the step exec runs.
type Exec struct {
	Command []string      // program and arguments; empty is off
	Within  time.Duration // time limit of one run
}

type fileNotify struct {
	Webhook *string   `toml:"webhook"`
	Syslog  *string   `toml:"syslog"`
	Within  *string   `toml:"within"`
	Burst   *int      `toml:"burst"`
	AtOnce  *int      `toml:"at_once" now:"burst"`
	Digest  *string   `toml:"digest"`
	Subject *string   `toml:"subject"`
	Text    *string   `toml:"text"`
	Lang    *string   `toml:"language"`
	Weekly  *string   `toml:"weekly"`
	Mail    fileMail  `toml:"mail"`
	Users   fileUsers `toml:"users"`
}

type fileUsers struct {
	Mail    *bool   `toml:"mail"`
	Contact *string `toml:"contact"`
	Subject *string `toml:"subject"`
	Text    *string `toml:"text"`
}

type fileMail struct {
	Server       *string   `toml:"server"`
	Security     *string   `toml:"security"`
	CA           *string   `toml:"ca"`
	Username     *string   `toml:"username"`
	Password     *string   `toml:"password"`
	PasswordFile *string   `toml:"password_file"`
	From         *string   `toml:"from"`
	To           *[]string `toml:"to"`
}

type fileExec struct {
	Command *[]string `toml:"command"`
	Within  *string   `toml:"within"`
}

// Bounds of notify.digest. Undelivered messages are given up after a day, which
// must hold a few digests.
const (
	minDigest = time.Second
	maxDigest = 6 * time.Hour
)

func (p *parser) notify(in *fileNotify, n *Notify) {
	set(in.Webhook, &n.Webhook)
	if u, err := url.Parse(n.Webhook); n.Webhook != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
		// The URL is not shown: webhooks carry tokens.
		p.fail("notify.webhook", "want an http:// or https:// URL")
	}
	if in.Syslog != nil && *in.Syslog != "" {
		p.path("notify.syslog", in.Syslog, &n.Syslog)
	}
	p.duration("notify.within", in.Within, &n.Within)
	p.number("notify.burst", in.Burst, &n.Burst, 1, 1000)
	p.duration("notify.digest", in.Digest, &n.Digest)
	if n.Digest < minDigest || n.Digest > maxDigest {
		p.fail("notify.digest", "%s: want %s to %s", FormatDuration(n.Digest), FormatDuration(minDigest), FormatDuration(maxDigest))
	}
	p.template("notify.subject", in.Subject, &n.Subject, p.env.Template)
	p.template("notify.text", in.Text, &n.Text, p.env.Template)
	set(in.Lang, &n.Language)
	if known := p.env.Languages; known != nil && !slices.Contains(known, n.Language) {
		p.fail("notify.language", "%q: want one of %s", n.Language, strings.Join(known, ", "))
	}
	p.weekly(in.Weekly, &n.Weekly)
	p.mail(&in.Mail, &n.Mail)
	p.users(&in.Users, n)
}

// weekly reads a weekday and a time, or "off".
func (p *parser) weekly(in *string, w *Weekly) {
	if in == nil {
		return
	}
	*w = Weekly{}
	if *in == "off" {
		return
	}
	day, clock, _ := strings.Cut(*in, " ")
	at, err := time.Parse("15:04", clock)
	for d := range 7 {
		if name := time.Weekday(d).String(); err == nil && (day == name || day == name[:3]) {
			*w = Weekly{On: true, Day: time.Weekday(d), At: time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute}
			return
		}
	}
	p.fail("notify.weekly", `%q: want a weekday and a time, such as "Mon 08:00", or "off"`, *in)
}

func (p *parser) users(in *fileUsers, n *Notify) {
	u := &n.Users
	set(in.Mail, &u.Mail)
	set(in.Contact, &u.Contact)
	p.template("notify.users.subject", in.Subject, &u.Subject, p.env.UserTemplate)
	p.template("notify.users.text", in.Text, &u.Text, p.env.UserTemplate)
	if !u.Mail {
		return
	}
	if strings.TrimSpace(u.Contact) == "" {
		p.fail("notify.users.contact", `missing: whom users ask for help, such as "the help desk (extension 1000)"`)
	}
	if n.Mail.Server == "" {
		p.fail("notify.users.mail", "needs notify.mail.server")
	}
}

func (p *parser) template(key string, in, out *string, check func(string) error) {
	set(in, out)
	if check == nil {
		return
	}
	if err := check(*out); err != nil {
		p.fail(key, "not a valid template: %v", err)
	}
}

var mailSecurity = []string{"starttls", "tls", "none"}

func (p *parser) mail(in *fileMail, m *Mail) {
	set(in.Server, &m.Server)
	set(in.Security, &m.Security)
	set(in.CA, &m.CA)
	set(in.Username, &m.Username)
	set(in.From, &m.From)
	set(in.To, &m.To)
	if !slices.Contains(mailSecurity, m.Security) {
		p.fail("notify.mail.security", "%q: want one of %s%s", m.Security, strings.Join(mailSecurity, ", "), meantSecurity(m.Security))
	}
	if m.Server == "" {
		if in.From != nil && *in.From != "" || len(m.To) > 0 {
			p.fail("notify.mail.server", `missing: the mail server, such as "mail.example.org:587"`)
		}
		return
	}
	if host, port, err := net.SplitHostPort(m.Server); err != nil || host == "" || !isPort(port) {
		p.fail("notify.mail.server", `%q: want host:port, such as "mail.example.org:587"`, m.Server)
	}
	if m.CA != "" {
		p.path("notify.mail.ca", in.CA, &m.CA)
	}
	p.mailAddresses(m)
	p.mailLogin(in, m)
}

func (p *parser) mailAddresses(m *Mail) {
	if !isMailAddress(m.From) {
		p.fail("notify.mail.from", `%q: want one address, such as "tollwarden@example.org"`, m.From)
	}
	if len(m.To) == 0 {
		p.fail("notify.mail.to", `missing: want the addresses that get the mail, such as ["ops@example.org"]`)
	}
	for _, to := range m.To {
		if !isMailAddress(to) {
			p.fail("notify.mail.to", `%q: want addresses, such as ["ops@example.org"]`, to)
		}
	}
}

// isMailAddress accepts a bare address, without a display name.
func isMailAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}

func (p *parser) mailLogin(in *fileMail, m *Mail) {
	if m.Username == "" {
		return
	}
	if m.Security == "none" {
		p.fail("notify.mail.username", `the password would cross the network unencrypted: want security = "starttls" or "tls", or no username`)
	}
	switch {
	case in.PasswordFile != nil && *in.PasswordFile != "":
		m.Password = p.secretFile("notify.mail.password_file", *in.PasswordFile)
	case in.Password != nil && *in.Password != "":
		m.Password = Secret(*in.Password)
	default:
		p.fail("notify.mail.password", "missing: set password_file, or password")
	}
}

// exec reads the command of the step exec, which is required when a playbook has
// that step.
func (p *parser) exec(in *fileExec, c *Config) {
	set(in.Command, &c.Exec.Command)
	p.duration("exec.within", in.Within, &c.Exec.Within)
	if len(c.Exec.Command) > 0 {
		if !filepath.IsAbs(c.Exec.Command[0]) {
			p.fail("exec.command", "%q: want the absolute path of a command first", c.Exec.Command[0])
		}
		return
	}
	for _, book := range c.Playbooks {
		if slices.Contains(book.Steps, StepExec) {
			p.fail("exec.command", `missing: playbook %q has the step exec: want a command, such as ["/usr/local/bin/on-incident"]`, book.Name)
		}
	}
}

// meantSecurity is meant for how mail is encrypted, also in other words.
func meantSecurity(value string) string {
	switch strings.ToLower(value) {
	case "ssl", "smtps", "implicit":
		return didYouMean("tls")
	}
	return meant(value, mailSecurity...)
}
