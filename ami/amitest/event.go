package amitest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami"
)

// Event raises an event of a class such as "call" for all sessions whose mask includes it.
func (p *PBX) Event(class, name string, fields ...ami.Field) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.event(class, name, fields...)
}

// event is Event with the lock held.
func (p *PBX) event(class, name string, fields ...ami.Field) {
	set := parseClasses(class)
	a := &reply{}
	a.fields(ami.Field{Name: "Event", Value: name}, ami.Field{Name: "Privilege", Value: set.String()})
	p.raise(set, a.fields(fields...).end().String())
}

// Raw sends text unchanged to all sessions subscribed to a class. It is for events that
// Asterisk would not send, or only with injected text.
func (p *PBX) Raw(class, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raise(parseClasses(class), text)
}

// raise queues text for the subscribed sessions. The caller holds the lock, so that the
// order is the same for all sessions.
func (p *PBX) raise(set classes, text string) {
	for s := range p.sessions {
		if s.user != nil && s.mask&set != 0 {
			s.send(text)
		}
	}
}

// SecurityEvent is an event of main/security_events.c. Address formats Local and Remote.
// Extra follows the common fields.
type SecurityEvent struct {
	Event    string // such as "ChallengeResponseFailed"
	Severity string // "Error" by default
	Service  string // "PJSIP" by default
	Version  string // "1" by default
	Account  string
	Session  string
	Local    string // "IPV4/UDP/192.0.2.1/5060" by default
	Remote   string
	Extra    []ami.Field
}

// Security raises a security event.
func (p *PBX) Security(e SecurityEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.raise(parseClasses("security"), e.text())
}

func (e SecurityEvent) text() string {
	or := func(value, fallback string) string {
		if value == "" {
			return fallback
		}
		return value
	}
	a := &reply{}
	account := []ami.Field{{Name: "AccountID", Value: e.Account}}
	if e.Event == "RequestBadFormat" { // its account is optional and comes last (security_events.c)
		if e.Account != "" {
			e.Extra = append(e.Extra, account...)
		}
		account = nil
	}
	return a.fields(
		ami.Field{Name: "Event", Value: e.Event},
		ami.Field{Name: "Privilege", Value: "security,all"},
		ami.Field{Name: "EventTV", Value: stamp(time.Now())},
		ami.Field{Name: "Severity", Value: or(e.Severity, "Error")},
		ami.Field{Name: "Service", Value: or(e.Service, "PJSIP")},
		ami.Field{Name: "EventVersion", Value: or(e.Version, "1")},
	).fields(account...).fields(
		ami.Field{Name: "SessionID", Value: e.Session},
		ami.Field{Name: "LocalAddress", Value: or(e.Local, "IPV4/UDP/192.0.2.1/5060")},
		ami.Field{Name: "RemoteAddress", Value: e.Remote},
	).fields(e.Extra...).end().String()
}

// Address formats an address as in security events, such as "IPV4/UDP/192.0.2.66/5060". If
// transport is empty, it is omitted.
func Address(transport string, a netip.AddrPort) string {
	family := "IPV6"
	if a.Addr().Unmap().Is4() {
		family = "IPV4"
	}
	parts := []string{family, transport, a.Addr().Unmap().String(), fmt.Sprint(a.Port())}
	if transport == "" {
		parts = append(parts[:1], parts[2:]...)
	}
	return strings.Join(parts, "/")
}

// stamp formats a time as in EventTV.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000-0700") }
