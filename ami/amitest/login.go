package amitest

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// doChallenge answers Challenge.
func doChallenge(p *PBX, s *session, r request, a *reply) {
	if p.options.PlainOnly {
		p.requestBadFormat(s, r)
		a.refuse("Invalid/unknown command: Challenge. Use Action: ListCommands to show available commands.")
		return
	}
	if !strings.EqualFold(r.get("AuthType"), "MD5") {
		a.refuse("Must specify AuthType")
		return
	}
	if s.challenge == "" {
		s.challenge = fmt.Sprint(rand.Int32())
	}
	a.ok(ami.Field{Name: "Challenge", Value: s.challenge})
}

// login answers Login and returns whether the session continues. The caller does not hold
// the lock.
func (p *PBX) login(s *session, r request) bool {
	a := r.reply()
	p.mu.Lock()
	if s.user != nil {
		s.send(a.success("Already authenticated").String())
		p.mu.Unlock()
		return true
	}
	user := p.authenticate(s, r)
	p.mu.Unlock()
	if user == nil {
		select {
		case <-time.After(p.options.AuthDelay):
		case <-s.gone:
		}
		s.send(a.refuse("Authentication failed").String())
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.user, s.mask, s.began = user, granted(user.Read), time.Now()
	if events := r.get("Events"); events != "" {
		s.mask &= parseClasses(events)
	}
	a.success("Authentication accepted")
	if s.mask&parseClasses("system") != 0 {
		up := fmt.Sprint(int(time.Since(p.started).Seconds()))
		a.WriteString(line("Event", "FullyBooted"))
		a.fields(
			ami.Field{Name: "Privilege", Value: "system,all"},
			ami.Field{Name: "Uptime", Value: up},
			ami.Field{Name: "LastReload", Value: up},
			ami.Field{Name: "Status", Value: "Fully Booted"},
		).end()
	}
	s.send(a.String())
	p.ownSecurity(s, "SuccessfulAuth", "Informational", ami.Field{Name: "UsingPassword", Value: "0"})
	p.sessionsChanged()
	return true
}

// authenticate returns the user that logs in, or raises the event that Asterisk would
// raise. The caller holds the lock.
func (p *PBX) authenticate(s *session, r request) *User {
	name := r.get("Username")
	user := p.user(name)
	switch {
	case name == "":
		return nil
	case p.faults.refuses():
		return nil
	case user == nil:
		p.ownSecurityOf(s, name, "InvalidAccountID", "Error")
		return nil
	case strings.EqualFold(r.get("AuthType"), "MD5"):
		key := r.get("Key")
		if key == "" || s.challenge == "" {
			return nil
		}
		sum := md5.Sum([]byte(s.challenge + user.Secret))
		want := hex.EncodeToString(sum[:])
		if key != want {
			p.ownSecurity(s, "ChallengeResponseFailed", "Error",
				ami.Field{Name: "Challenge", Value: s.challenge},
				ami.Field{Name: "Response", Value: key},
				ami.Field{Name: "ExpectedResponse", Value: want})
			return nil
		}
	case r.get("Secret") != user.Secret:
		p.ownSecurityOf(s, name, "InvalidPassword", "Error")
		return nil
	}
	return user
}

// requestBadFormat and requestNotAllowed raise the events for unknown and forbidden
// actions. The caller holds the lock.
func (p *PBX) requestBadFormat(s *session, r request) {
	p.ownSecurity(s, "RequestBadFormat", "Error", ami.Field{Name: "RequestType", Value: "Action: " + r.get("Action")})
}

func (p *PBX) requestNotAllowed(s *session, r request) {
	p.ownSecurity(s, "RequestNotAllowed", "Error", ami.Field{Name: "RequestType", Value: "Action: " + r.get("Action")})
}

// ownSecurity raises a security event of the AMI service about a session. Like Asterisk, it
// includes the account only if the session is logged in.
func (p *PBX) ownSecurity(s *session, event, severity string, extra ...ami.Field) {
	account := ""
	if s.user != nil {
		account = s.user.Name
	}
	p.ownSecurityOf(s, account, event, severity, extra...)
}

func (p *PBX) ownSecurityOf(s *session, account, event, severity string, extra ...ami.Field) {
	began := s.began
	if began.IsZero() {
		began = time.Now()
	}
	e := SecurityEvent{
		Event: event, Severity: severity, Service: "AMI", Version: "1", Account: account, Session: s.id,
		Local: s.address(s.conn.LocalAddr()), Remote: s.address(s.conn.RemoteAddr()),
		Extra: append(extra, ami.Field{Name: "SessionTV", Value: stamp(began)}),
	}
	p.raise(parseClasses("security"), e.text())
}
