package responder

import (
	"errors"
	"net/netip"
	"runtime"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// Handle takes one block of the event session. It runs on the reader's
// goroutine: it computes, queues and returns.
func (e *Engine) Handle(now time.Time, b *event.Block) {
	if !e.handle(now, b) {
		return
	}
	// The queue's goroutine was readied on this thread, which is awake: let it
	// carry the ban into the kernel first. To wake another thread for it takes as
	// long as everything else together, and so does recording the incident.
	runtime.Gosched()
	e.with(func() {})
}

// handle says whether something was queued that cannot wait. The incident is not
// recorded then.
func (e *Engine) handle(now time.Time, b *event.Block) (urgent bool) {
	e.lock()
	defer e.mu.Unlock()
	before := e.urgent
	err := e.parser.Parse(b, &e.event)
	switch {
	case err == nil:
		e.noteLocalPort()
		e.judge.Event(now, intake.SensorAMI, &e.event)
	case errors.Is(err, event.ErrTampered):
		forged := event.Event{Raw: b.Raw}
		forged.Remote, forged.Transport, _ = e.parser.TrueSource()
		e.judge.Tampered(now, intake.SensorAMI, &forged)
	default:
		e.judge.Ignored()
	}
	if e.urgent != before {
		return true
	}
	e.record()
	return false
}

// noteLocalPort passes on the port that the event being handled names as local. For
// WebSocket, Asterisk names another one than it listens on.
func (e *Engine) noteLocalPort() {
	switch e.event.Transport {
	case event.UDP, event.TCP, event.TLS:
		if port := e.event.Local.Port(); port != 0 && e.parts.LocalPort != nil {
			e.parts.LocalPort(e.event.Transport, port)
		}
	}
}

// Report takes one event that a sensor saw; ev is the engine's until Report
// returns. Like Handle it computes, queues and returns. news is false for what
// another sensor has reported before.
func (e *Engine) Report(now time.Time, s intake.Sensor, ev *event.Event) (news bool) {
	e.with(func() { news = e.judge.Event(now, s, ev) })
	return news
}

// ReportTampering takes something that Asterisk did not write as it stands: of
// ev the true source with its transport, and the text.
func (e *Engine) ReportTampering(now time.Time, s intake.Sensor, ev *event.Event) {
	e.with(func() { e.judge.Tampered(now, s, ev) })
}

// ReportBlinding records that Asterisk could not issue a security
// event: an attacker suppresses it, and only the log shows it.
func (e *Engine) ReportBlinding(now time.Time) {
	news := false
	e.with(func() { news = e.judge.Blinded(now) })
	if news {
		e.parts.Log.Warn().Msg("an attacker suppresses security events: Asterisk could not issue one")
	}
}

// Received takes a UDP packet that arrived at a SIP port. It borrows payload. Like Sent
// and Missed it may be called from any goroutine.
func (e *Engine) Received(now time.Time, from netip.AddrPort, payload []byte) {
	r, ok := sip.ParseRequest(payload)
	if !ok {
		return
	}
	e.with(func() { e.judge.Received(now, from, &r) })
}

// Sent takes a UDP packet that left a SIP port for an address. It borrows payload.
func (e *Engine) Sent(now time.Time, to netip.AddrPort, payload []byte) {
	r, ok := sip.ParseResponse(payload)
	e.with(func() {
		e.judge.Answered(now, to.Addr())
		if !ok {
			return
		}
		r.Challenges(func(c sip.Challenge) { e.judge.Challenged(now, to.Addr(), c.For, c.Nonce) })
		e.judge.Sent(now, to, &r)
	})
}

// Missed records that some packets were not seen.
func (e *Engine) Missed(now time.Time) {
	e.with(func() { e.judge.Intake.Unseen(now) })
}

// Unwatched records that the kernel did not show all packets until now: another program
// had removed the rules, or ports were added.
func (e *Engine) Unwatched(now time.Time) {
	e.with(func() { e.judge.Intake.Unwatched(now) })
}

// Listening says that the event session has begun anew.
func (e *Engine) Listening(now time.Time) { e.with(func() { e.judge.Calls.StreamStarted(now) }) }

// SetOwn sets where our own manager sessions come from, as Asterisk sees it.
func (e *Engine) SetOwn(addr netip.Addr) { e.with(func() { e.judge.Intake.SetOwn(addr) }) }

// Canary makes up a name for one canary and returns a channel that is closed when
// the event session has heard it.
func (e *Engine) Canary() (name string, heard <-chan struct{}) {
	e.with(func() { name, heard = e.judge.Intake.Canaries.New() })
	return name, heard
}

// Guess makes up a name for one guess over SIP from one of this machine's addresses, and
// returns a channel that is closed when the event session has heard it. No score counts it.
func (e *Engine) Guess(now time.Time, own []netip.Addr) (name string, seen <-chan struct{}) {
	e.with(func() { name, seen = e.judge.Intake.Canaries.NewGuess(now, own) })
	return name, seen
}

// OwnCanary is Canary for a login with our own name.
func (e *Engine) OwnCanary() (heard <-chan struct{}) {
	e.with(func() { heard = e.judge.Intake.Canaries.NewOwn() })
	return heard
}
