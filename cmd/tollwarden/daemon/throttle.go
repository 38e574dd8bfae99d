package daemon

import (
	"context"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/intake"
)

// WithoutThrottle says what follows if the kernel does not let us decide about single
// packets.
const WithoutThrottle = "a guesser over UDP at an IP address where phones are registered is not slowed down, and responses that an attacker has Asterisk send to another address are not held back"

// throttle decides about the packets of suspects: addresses that guess, but cannot be
// banned. Its own goroutine uses suspects, and waits for
// nothing; the watch on the wire tells them of challenges.
type throttle struct {
	watch    *firewall.Watch // nil if the kernel's firewall is not used
	suspects *intake.Suspects
	log      zerolog.Logger
	err      atomic.Pointer[error] // why nobody is throttled; nil if suspects are
	ended    func()                // called if that is so from then on

	guesses, misdirected atomic.Uint64 // held back
}

func newThrottle(watch *firewall.Watch, log zerolog.Logger) *throttle {
	t := &throttle{watch: watch, suspects: intake.NewSuspects(), log: log, ended: func() {}}
	if watch != nil {
		if err := watch.Throttles(); err != nil {
			t.failed(err)
		}
	}
	return t
}

// run decides until ctx ends. Its failure ends nothing else: then all packets pass.
func (t *throttle) run(ctx context.Context) error {
	if t.watch != nil {
		t.decideFor(ctx, t.watch.Decide)
	}
	return nil
}

func (t *throttle) decideFor(ctx context.Context, decide func(context.Context, func(firewall.Packet) bool) error) {
	if err := decide(ctx, t.passes); err != nil {
		t.failed(err)
		t.ended()
	}
}

func (t *throttle) failed(err error) {
	t.err.Store(&err)
	t.log.Warn().Err(err).Msg("no guesser is slowed down: " + WithoutThrottle)
}

// passes says whether a packet of a suspect, or to one, passes.
func (t *throttle) passes(p firewall.Packet) bool {
	if p.Direction == firewall.Out {
		if !t.suspects.Response(p.At, p.To, p.Payload) {
			t.misdirected.Add(1)
			return false
		}
		return true
	}
	if !t.suspects.Request(p.At, p.From, p.Payload, p.Truncated) {
		t.guesses.Add(1)
		return false
	}
	return true
}

// missing says what follows if nobody is throttled, and why that is so; "" if suspects
// are throttled.
func (t *throttle) missing() string {
	if err := t.err.Load(); err != nil {
		return WithoutThrottle + ": " + (*err).Error()
	}
	return ""
}
