package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
)

// WithoutWire says what follows if the kernel does not show SIP over UDP.
const WithoutWire = "guesses that Asterisk does not report are not seen, and attackers over UDP cannot be confirmed, so each is banned only for bans.spoofable, again and again while it guesses"

// wireSensor reads SIP over UDP as the kernel shows it: what arrives for Asterisk,
// and what it answers to whom.
type wireSensor struct {
	watch    *firewall.Watch // nil if the kernel's firewall is not used
	throttle *throttle
	engine   *responder.Engine
	log      zerolog.Logger
	err      atomic.Pointer[error] // why nothing is seen; nil if it is
}

// openWireSensor makes the kernel show SIP over UDP at these ports. The daemon works
// without it, but sees less.
func openWireSensor(cfg *config.Config, udp, tcp []uint16, table firewall.Table, log zerolog.Logger) (*wireSensor, error) {
	w := &wireSensor{log: log, throttle: newThrottle(nil, log)}
	if _, inKernel := table.(*firewall.Kernel); !inKernel {
		err := errors.New("the kernel's firewall is not used")
		w.err.Store(&err)
		return w, nil
	}
	of := settings.Firewall(cfg)
	of.SIPPorts, of.TCPPorts = udp, tcp
	var err error
	if w.watch, err = firewall.OpenWatch(of); err != nil && !errors.Is(err, firewall.ErrNoLog) {
		return nil, err
	}
	w.throttle = newThrottle(w.watch, log)
	if err != nil {
		w.failed(err)
	}
	return w, nil
}

func (w *wireSensor) close() error {
	if w.watch == nil {
		return nil
	}
	return w.watch.Close()
}

// run handles packets until ctx ends.
func (w *wireSensor) run(ctx context.Context) error {
	if w.watch != nil {
		w.listen(ctx, w.watch.Run)
	}
	return nil
}

// listen handles what watch delivers. Its failure ends nothing else.
func (w *wireSensor) listen(ctx context.Context, watch func(context.Context, func(firewall.Packet)) error) {
	if err := watch(ctx, w.packet); err != nil {
		w.failed(err)
	}
}

func (w *wireSensor) failed(err error) {
	w.err.Store(&err)
	w.log.Warn().Err(err).Msg("SIP over UDP is not seen: " + WithoutWire)
}

// packet handles a packet. One without a destination reports that some were missed.
func (w *wireSensor) packet(p firewall.Packet) {
	switch {
	case !p.To.IsValid():
		w.engine.Missed(p.At)
	case p.Direction == firewall.Out:
		w.throttle.suspects.Issued(p.At, p.To, p.Payload)
		w.engine.Sent(p.At, p.To, p.Payload)
	default:
		w.engine.Received(p.At, p.From, p.Payload)
	}
}

// count adds the counters of what was read and held back.
func (w *wireSensor) count(list map[string]uint64) {
	var c firewall.WatchCounts
	if w.watch != nil {
		c = w.watch.Counts()
	}
	list["wire_requests"], list["wire_responses"], list["wire_overflows"] = c.In, c.Out, c.Overflows
	list["guesses_withheld"], list["misdirected_withheld"] = w.throttle.guesses.Load(), w.throttle.misdirected.Load()
}

// check never fails: without the sensor every guesser that Asterisk reports is stopped,
// too.
func (w *wireSensor) check(_ time.Time, senses responder.Senses) control.Check {
	check := control.Check{Name: "wire", OK: true, Detail: "SIP over UDP is seen"}
	if err := w.err.Load(); err != nil {
		check.Detail = "off, " + WithoutWire + ": " + (*err).Error()
	} else if left := senses.ProofSuspended; left > 0 {
		check.Detail = fmt.Sprintf("for %s nobody over UDP is confirmed as an attacker, because packets came faster than they were read", left.Round(time.Second))
	}
	if missing := w.throttle.missing(); missing != "" {
		check.Detail += "; but " + missing
	}
	return check
}
