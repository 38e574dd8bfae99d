package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/responder/control"
)

const (
	// askPortsEvery is how often Asterisk is asked which UDP ports it listens on.
	// Nothing else shows a reload: its event needs the class system, whose events
	// quote senders without a limit.
	askPortsEvery = time.Minute
	// askPortsSoon is the first pause after an event session has begun, since Asterisk's
	// modules come up one by one. Each pause is twice the last.
	askPortsSoon = 5 * time.Second
	// askPortsPause is the shortest time between two questions, whatever events name.
	// A port is asked about once, so there are few.
	askPortsPause = 100 * time.Millisecond
	// askPortsWithin bounds one question.
	askPortsWithin = 15 * time.Second
)

// The places where ports are closed, as far as the ports' owner needs them.
type (
	portTable interface{ SetSIPPorts(ports []uint16) error }
	portWatch interface{ SetPorts(ports []uint16) error }
)

// ports decides which UDP ports are closed to an address that may be spoofed: it asks
// Asterisk, and it alone changes them in the kernel. The table closes all of them; the
// watch reads those for SIP.
type ports struct {
	table portTable
	watch portWatch // nil: nothing on the wire is read
	// unwatched is called when the watch begins to read a port that it did not read before.
	unwatched func(time.Time)
	ask       func(context.Context) (binds.Answer, error)
	file      *portsFile
	log       zerolog.Logger
	named     chan uint16 // ports that events name and that are not closed
	known     atomic.Pointer[[]uint16]

	mu      sync.Mutex // held while ports change, also in the kernel
	state   *binds.State
	closed  []uint16 // in the table
	watched []uint16 // by the watch
	failed  error    // why they are not what the state says
}

func newPorts(configured []uint16, file *portsFile, log zerolog.Logger) *ports {
	p := &ports{file: file, log: log, named: make(chan uint16, 16), state: binds.New(configured, file.kept)}
	all := p.state.All()
	p.closed, p.watched = all, p.state.SIP()
	p.known.Store(&all)
	return p
}

// initial are the ports for the table and for the watch when they are opened.
func (p *ports) initial() (table, watch []uint16) { return p.closed, p.watched }

// name takes the local port of an event. It is called with the engine's lock held.
func (p *ports) name(port uint16) {
	if slices.Contains(*p.known.Load(), port) {
		return
	}
	select {
	case p.named <- port:
	default: // as many questions are pending as are asked
	}
}

// keep asks Asterisk for its ports as long as the event session of ctx lives: at
// once, from time to time, and when an event names one that is not closed.
func (p *ports) keep(ctx context.Context) {
	pause := askPortsSoon
	for {
		if !p.question(ctx) {
			pause = askPortsSoon
		}
		asked := time.Now()
		timer := time.NewTimer(pause)
		for waiting := true; waiting; {
			select {
			case <-timer.C:
				waiting = false
			case port := <-p.named:
				if p.isNews(port) {
					timer.Reset(max(0, askPortsPause-time.Since(asked)))
				}
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
		pause = min(2*pause, askPortsEvery)
	}
}

func (p *ports) isNews(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Name(time.Now(), port)
}

// question asks Asterisk once and puts the answer in force. It reports whether that
// worked.
func (p *ports) question(ctx context.Context) (ok bool) {
	asking, cancel := context.WithTimeout(ctx, askPortsWithin)
	defer cancel()
	answer, err := p.ask(asking)
	if ctx.Err() != nil {
		return false // the session is over: it says nothing about the ports
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.state.Err()
	p.state.Learn(time.Now(), answer, err)
	p.logQuestion(before, err)
	p.failed = p.enforce()
	if err := p.file.write(p.state.Memory()); err != nil {
		p.log.Error().Err(err).Msg("the next start will not know Asterisk's ports until it has asked")
	}
	return err == nil && p.failed == nil
}

// logQuestion logs a failure once.
func (p *ports) logQuestion(before, now error) {
	if now != nil && (before == nil || errors.Is(before, binds.ErrNotAsked)) {
		p.log.Error().Err(now).Uints16("closed", p.closed).Msg("Asterisk does not say on which UDP ports it listens: the ports known so far stay closed to addresses that may be spoofed")
	}
	if now == nil && before != nil && !errors.Is(before, binds.ErrNotAsked) {
		p.log.Info().Msg("Asterisk says again on which UDP ports it listens")
	}
}

// configure replaces the configured ports; learned ones stay. If the kernel refuses,
// the old ones stay in force.
func (p *ports) configure(old, configured []uint16) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Configure(configured)
	err := p.enforce()
	if err != nil {
		p.state.Configure(old)
		err = errors.Join(err, p.enforce())
	}
	p.failed = err
	return err
}

// enforce puts the state's ports in force. The caller holds the lock.
func (p *ports) enforce() error {
	all, sip := p.state.All(), p.state.SIP()
	if !slices.Equal(all, p.closed) {
		// A lost table is rebuilt by its guard, with these ports.
		if err := p.table.SetSIPPorts(all); err != nil && !errors.Is(err, firewall.ErrLost) {
			return err
		}
		p.log.Info().Uints16("ports", all).Msg("these UDP ports are closed to addresses that may be spoofed")
		p.closed = all
		p.known.Store(&all)
	}
	if p.watch == nil || slices.Equal(sip, p.watched) {
		return nil
	}
	if err := p.watch.SetPorts(sip); err != nil {
		return err
	}
	p.watched = sip
	p.unwatched(time.Now())
	return nil
}

// check fails if a ban of an address that may be spoofed could have no effect.
func (p *ports) check(time.Time) control.Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := control.Check{Name: "ports"}
	err := p.state.Err()
	open, left := p.state.Open()
	switch {
	case p.failed != nil:
		c.Detail = p.failed.Error()
	case errors.Is(err, binds.ErrNotAsked):
		c.Detail = "Asterisk has not been asked yet on which UDP ports it listens"
	case err != nil:
		c.Detail = "Asterisk does not say on which UDP ports it listens, so bans of addresses that may be spoofed can have no effect: " + err.Error()
	case len(open) > 0:
		c.Detail = fmt.Sprintf("events came in over UDP port %s, which Asterisk does not name and which is not closed to addresses that may be spoofed: add it to firewall.sip_ports", output.Join(open))
	case left > 0:
		c.Detail = fmt.Sprintf("Asterisk listens on %d more UDP ports than the %d that can be closed to addresses that may be spoofed", left, binds.MaxPorts)
	default:
		c.OK, c.Detail = true, "Asterisk's UDP ports for SIP and IAX2 can be closed: "+portWords(p.state.Ports())
	}
	return c
}

// closedPorts are the ports for status.
func (p *ports) closedPorts() []control.Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []control.Port
	for _, port := range p.state.Ports() {
		out = append(out, control.Port{Port: port.Number, From: sources(port)})
	}
	return out
}

// sources say where a port is from.
func sources(p binds.Port) []string {
	var out []string
	if p.Configured {
		out = append(out, "sip_ports")
	}
	for _, d := range p.Drivers {
		out = append(out, d.Words())
	}
	return out
}

// portWords lists ports with what listens there.
func portWords(ports []binds.Port) string {
	var out []string
	for _, p := range ports {
		out = append(out, fmt.Sprintf("%d (%s)", p.Number, strings.Join(sources(p), ", ")))
	}
	return strings.Join(out, ", ")
}
