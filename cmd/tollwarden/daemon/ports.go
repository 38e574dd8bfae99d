package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/responder/control"
)

const (
	// askPortsEvery is how often Asterisk is asked which ports it listens on.
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
	portTable interface {
		SetPorts(udp, tcp []uint16) error
	}
	portWatch interface {
		SetPorts(udp []uint16) error
		SetTCPPorts(tcp []uint16) error
	}
)

// namedPort is a port that an event names.
type namedPort struct {
	protocol binds.Protocol
	port     uint16
}

// ports decides which ports bans close: it asks Asterisk, and it alone changes them in
// the kernel. The table closes all of them, UDP ports also to an address that may be
// spoofed; the watch reads those for SIP over UDP, and cuts
// connections at those for SIP over TCP.
type ports struct {
	table portTable
	watch portWatch // nil: nothing on the wire is read
	// unwatched is called when the watch begins to read a port that it did not read before.
	unwatched func(time.Time)
	ask       func(context.Context) (binds.Answer, error)
	file      *portsFile
	log       zerolog.Logger
	named     chan namedPort // ports that events name and that are not closed
	known     [binds.TCP + 1]atomic.Pointer[[]uint16]

	mu      sync.Mutex // held while ports change, also in the kernel
	state   *binds.State
	closed  [binds.TCP + 1][]uint16 // in the table
	watched [binds.TCP + 1][]uint16 // by the watch: those for SIP
	failed  error                   // why they are not what the state says
}

func newPorts(configured binds.Configured, file *portsFile, log zerolog.Logger) *ports {
	p := &ports{file: file, log: log, named: make(chan namedPort, 16), state: binds.New(configured, file.kept)}
	p.close([...][]uint16{binds.UDP: p.state.Closed(binds.UDP), binds.TCP: p.state.Closed(binds.TCP)})
	p.watched = [...][]uint16{binds.UDP: p.state.SIP(binds.UDP), binds.TCP: p.state.SIP(binds.TCP)}
	return p
}

// close records which ports the table closes.
func (p *ports) close(all [binds.TCP + 1][]uint16) {
	p.closed = all
	for protocol := range all {
		p.known[protocol].Store(&all[protocol])
	}
}

// initial are the ports for the table and for the watch when they are opened.
func (p *ports) initial() (udp, tcp, watchedUDP, watchedTCP []uint16) {
	return p.closed[binds.UDP], p.closed[binds.TCP], p.watched[binds.UDP], p.watched[binds.TCP]
}

// firstEphemeral is the first of the ports that Linux gives to the near end of a
// connection that Asterisk opens itself (net.ipv4.ip_local_port_range).
const firstEphemeral = 32768

// name takes the local port of an event over UDP, TCP or TLS. It is called with the
// engine's lock held.
func (p *ports) name(over event.Transport, port uint16) {
	at := namedPort{binds.UDP, port}
	if over.Connected() {
		at.protocol = binds.TCP
		if port >= firstEphemeral {
			return
		}
	}
	if slices.Contains(*p.known[at.protocol].Load(), port) {
		return
	}
	select {
	case p.named <- at:
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
			case at := <-p.named:
				if p.isNews(at) {
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

func (p *ports) isNews(at namedPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state.Name(time.Now(), at.protocol, at.port)
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
		p.log.Error().Err(now).Uints16("udp", p.closed[binds.UDP]).Uints16("tcp", p.closed[binds.TCP]).Msg("Asterisk does not say on which ports it listens: bans close those known so far")
	}
	if now == nil && before != nil && !errors.Is(before, binds.ErrNotAsked) {
		p.log.Info().Msg("Asterisk says again on which ports it listens")
	}
}

// configure replaces the configured ports; learned ones stay. If the kernel refuses,
// the old ones stay in force.
func (p *ports) configure(old, configured binds.Configured) error {
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
	udp, tcp := p.state.Closed(binds.UDP), p.state.Closed(binds.TCP)
	if !slices.Equal(udp, p.closed[binds.UDP]) || !slices.Equal(tcp, p.closed[binds.TCP]) {
		// A lost table is rebuilt by its guard, with these ports.
		if err := p.table.SetPorts(udp, tcp); err != nil && !errors.Is(err, firewall.ErrLost) {
			return err
		}
		p.log.Info().Uints16("udp", udp).Uints16("tcp", tcp).Msg("these are Asterisk's ports, which bans close; the UDP ports also to addresses that may be spoofed")
		p.close([...][]uint16{binds.UDP: udp, binds.TCP: tcp})
	}
	if p.watch == nil {
		return nil
	}
	if sip := p.state.SIP(binds.TCP); !slices.Equal(sip, p.watched[binds.TCP]) {
		if err := p.watch.SetTCPPorts(sip); err != nil {
			return err
		}
		p.watched[binds.TCP] = sip
	}
	if sip := p.state.SIP(binds.UDP); !slices.Equal(sip, p.watched[binds.UDP]) {
		if err := p.watch.SetPorts(sip); err != nil {
			return err
		}
		p.watched[binds.UDP] = sip
		p.unwatched(time.Now())
	}
	return nil
}

// check fails if a ban that closes Asterisk's ports could have no effect.
func (p *ports) check(time.Time) control.Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := control.Check{Name: "ports"}
	err := p.state.Err()
	openUDP, left := p.state.Open(binds.UDP)
	openTCP, leftTCP := p.state.Open(binds.TCP)
	switch {
	case p.failed != nil:
		c.Detail = p.failed.Error()
	case errors.Is(err, binds.ErrNotAsked):
		c.Detail = "Asterisk has not been asked yet on which ports it listens"
	case err != nil:
		c.Detail = "Asterisk does not say on which ports it listens, so bans that close its ports can have no effect: " + err.Error()
	case len(openUDP) > 0:
		c.Detail = openWords(binds.UDP, openUDP, "sip_ports")
	case len(openTCP) > 0:
		c.Detail = openWords(binds.TCP, openTCP, "sip_tcp_ports")
	case left > 0, leftTCP > 0:
		c.Detail = fmt.Sprintf("Asterisk listens on %d more UDP ports and %d more TCP ports than the %d of each that can be closed", left, leftTCP, binds.MaxPorts)
	default:
		c.OK, c.Detail = true, "a block closes UDP "+portWords(p.state.Ports(binds.UDP))+"; TCP "+portWords(p.state.Ports(binds.TCP))
	}
	return c
}

func openWords(p binds.Protocol, open []uint16, key string) string {
	return fmt.Sprintf("events came in over %s port %s, which Asterisk does not name and which bans of Asterisk's ports do not close: add it to firewall.%s", p, output.Join(open), key)
}

// closedPorts are the ports for status.
func (p *ports) closedPorts(protocol binds.Protocol) []control.Port {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []control.Port
	for _, port := range p.state.Ports(protocol) {
		out = append(out, control.Port{Port: port.Number, From: sources(port, protocol)})
	}
	return out
}

// sources say where a port is from.
func sources(p binds.Port, protocol binds.Protocol) []string {
	var out []string
	if p.Configured {
		out = append(out, map[binds.Protocol]string{binds.UDP: "sip_ports", binds.TCP: "sip_tcp_ports"}[protocol])
	}
	for _, d := range p.Drivers {
		out = append(out, d.Words())
	}
	return out
}

// portWords lists ports. What listens there is in [control.Firewall].
func portWords(ports []binds.Port) string {
	numbers := make([]uint16, len(ports))
	for i, p := range ports {
		numbers[i] = p.Number
	}
	return output.Join(numbers)
}
