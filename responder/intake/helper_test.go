package intake

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const source = "203.0.113.7:5060"

// raised is a security event of PJSIP over UDP about 1002, unless the changes
// say otherwise.
func raised(kind event.Kind, session string, changes ...func(*event.Event)) *event.Event {
	e := &event.Event{
		Kind: kind, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte(session),
		Remote: netip.MustParseAddrPort(source), Transport: event.UDP, UsingPassword: kind == event.SuccessfulAuth,
	}
	for _, change := range changes {
		change(e)
	}
	return e
}

// guess is one wrong password for 1002 under PJSIP.
func guess(session string, changes ...func(*event.Event)) *event.Event {
	return raised(event.ChallengeResponseFailed, session, changes...)
}

func account(name string) func(*event.Event) {
	return func(e *event.Event) { e.AccountID = []byte(name) }
}

func service(name string) func(*event.Event) {
	return func(e *event.Event) { e.Service = []byte(name) }
}

func over(t event.Transport) func(*event.Event) { return func(e *event.Event) { e.Transport = t } }

func from(addr string) func(*event.Event) {
	return func(e *event.Event) { e.Remote = netip.AddrPortFrom(netip.MustParseAddr(addr), 5060) }
}

func answering(nonce string) func(*event.Event) {
	return func(e *event.Event) { e.Challenge = []byte(nonce) }
}

// counts says whether an event that a sensor saw counts as an observation.
func counts(in *Intake, at time.Time, s Sensor, e *event.Event) bool {
	o, _, ok := in.Take(at, s, e)
	if !ok {
		return false
	}
	_, ok = in.Count(e, &o)
	return ok
}
