package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

const (
	// guessAnswered is how long Asterisk has for a response to a guess.
	guessAnswered = time.Second
	// guessSeen is how long the event of one has.
	guessSeen = 5 * time.Second
	// maxGuessed bounds the sockets that are tried.
	maxGuessed = 16
)

// Prove has an unknown extension register with Asterisk, from this machine and without a
// password, and waits for the event that this raises. That takes the SIP port, the channel
// driver, the event classes, the filters of manager.conf, the parser and the engine.
func (b *apiBackend) Prove(ctx context.Context, _ uint32) (control.Proof, error) {
	if b.sessions.current.Load() == nil {
		return control.Proof{Why: "there is no session to Asterisk's manager interface"}, nil
	}
	begun := time.Now()
	name, seen := b.engine.Guess(begun, OwnAddresses())
	p := control.Proof{User: name}
	var err error
	if p.From, p.To, p.Answer, err = guessAnywhere(ctx, b.sipSockets(), name); err != nil {
		p.Why = err.Error()
		return p, nil
	}
	select {
	case <-seen:
		p.Seen, p.Took = true, time.Since(begun)
	case <-time.After(guessSeen):
		p.Why = fmt.Sprintf("Asterisk answered %d at %s, but no event named %s within %s", p.Answer, p.To, name, guessSeen)
	case <-ctx.Done():
		return p, ctx.Err()
	}
	return p, nil
}

// sipSockets are where Asterisk may take SIP over UDP on this machine.
func (b *apiBackend) sipSockets() (list []netip.AddrPort) {
	var first, others []uint16 // those that Asterisk has named come first
	for _, p := range b.firewall().Ports {
		switch {
		case slices.Contains(p.From, "PJSIP") || slices.Contains(p.From, "chan_sip"):
			first = append(first, p.Port)
		case slices.Contains(p.From, "sip_ports"):
			others = append(others, p.Port)
		}
	}
	addresses := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	for _, a := range OwnAddresses() {
		if !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			addresses = append(addresses, a)
		}
	}
	for _, port := range append(first, others...) {
		for _, a := range append(addresses, netip.IPv6Loopback()) {
			list = append(list, netip.AddrPortFrom(a, port))
		}
	}
	return list[:min(len(list), maxGuessed)]
}

// guessAnywhere sends a guess to the first socket that answers.
func guessAnywhere(ctx context.Context, sockets []netip.AddrPort, name string) (from netip.Addr, to netip.AddrPort, answer int, err error) {
	for _, to := range sockets {
		if from, answer, err := guessAt(ctx, to, name); err == nil {
			return from, to, answer, nil
		}
	}
	if len(sockets) == 0 {
		return from, to, 0, errors.New("no port for SIP over UDP is known")
	}
	return from, to, 0, fmt.Errorf("no answer from Asterisk over UDP at %s", joinSockets(sockets))
}

func joinSockets(sockets []netip.AddrPort) string {
	words := make([]string, len(sockets))
	for i, s := range sockets {
		words[i] = s.String()
	}
	return strings.Join(words, ", ")
}

// guessAt registers once and waits for any response, whose status code is answer.
func guessAt(ctx context.Context, to netip.AddrPort, name string) (from netip.Addr, answer int, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", to.String())
	if err != nil {
		return from, 0, err
	}
	defer conn.Close()
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := conn.SetDeadline(time.Now().Add(guessAnswered)); err != nil {
		return from, 0, err
	}
	if _, err := conn.Write([]byte(register(local, to, name))); err != nil {
		return from, 0, err
	}
	response := make([]byte, 2048)
	n, err := conn.Read(response)
	if err != nil {
		return from, 0, err
	}
	if _, err := fmt.Sscanf(string(response[:n]), "SIP/2.0 %d", &answer); err != nil {
		return from, 0, fmt.Errorf("%s: no SIP response", to)
	}
	return local.Addr().Unmap(), answer, nil
}

// register is a REGISTER without a password (RFC 3261, 10.2).
func register(from, to netip.AddrPort, name string) string {
	return strings.Join([]string{
		"REGISTER sip:" + to.String() + " SIP/2.0",
		"Via: SIP/2.0/UDP " + from.String() + ";branch=z9hG4bK" + name + ";rport",
		"Max-Forwards: 5",
		"From: <sip:" + name + "@" + to.String() + ">;tag=" + name,
		"To: <sip:" + name + "@" + to.String() + ">",
		"Call-ID: " + name,
		"CSeq: 1 REGISTER",
		"Contact: <sip:" + name + "@" + from.String() + ">",
		"Expires: 60",
		"User-Agent: tollwarden",
		"Content-Length: 0", "", "",
	}, "\r\n")
}
