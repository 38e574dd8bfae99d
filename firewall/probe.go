package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Canaries are the addresses that Probe bans: the dummy addresses of IPv4 and
// IPv6, which never are on any wire (RFC 7600 section 4.8, RFC 9780).
var Canaries = []netip.Addr{netip.MustParseAddr("192.0.0.8"), netip.MustParseAddr("100:0:0:1::1")}

// IsCanary says whether a ban is the probe's own.
func IsCanary(p netip.Prefix) bool {
	return p == canaryPrefix(Canaries[0]) || p == canaryPrefix(Canaries[1])
}

func canaryPrefix(a netip.Addr) netip.Prefix {
	if a.Is6() {
		return netip.PrefixFrom(a, 64).Masked()
	}
	return netip.PrefixFrom(a, 32)
}

var (
	// ErrPassed: the packets of a banned address arrive. The kernel does not
	// drop, whatever its table says.
	ErrPassed = errors.New("a packet from a banned address was let through")
	// ErrUnproven: not even packets of an address that is not banned arrive, so
	// that nothing is learned from those of one that is.
	ErrUnproven = errors.New("the probe's packets do not arrive on the loopback interface even when nobody is banned; another firewall keeps them out")
)

// probeWithin bounds the way of a packet through the loopback interface;
// microseconds are usual.
const probeWithin = 250 * time.Millisecond

// canaryBan is how long a canary stays banned should the probe not come to
// release it.
const canaryBan = 5 * time.Second

// Probe proves that a ban drops packets: it bans an address, sends a packet
// from it over the loopback interface, which has to vanish, releases it and
// sends another, which has to arrive. Every packet passes the hook where the
// table is, and carries the address in its source, as an attacker's would. The
// counter of dropped packets goes up by one for each family. It must run in
// the table's network namespace, and needs CAP_NET_ADMIN as the table does.
//
// Where IPv6 is switched off only IPv4 is tried.
func Probe(t Table) error {
	for _, canary := range Canaries {
		p, err := newProber(canary)
		if canary.Is6() && errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err == nil {
			err = errors.Join(p.run(t), p.close())
		}
		if err != nil {
			return fmt.Errorf("firewall: probe with %s: %w", canary, err)
		}
	}
	return nil
}

// prober is two sockets: one speaks with the canary's address, one listens.
type prober struct {
	canary netip.Addr
	ear    *net.UDPConn
	mouth  *net.UDPConn
	spoken byte
}

func newProber(canary netip.Addr) (*prober, error) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if canary.Is6() {
		loopback = netip.IPv6Loopback()
	}
	p := &prober{canary: canary}
	var err error
	if p.ear, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))); err != nil {
		return nil, err
	}
	// A transparent socket may speak from an address that is not the host's (ip(7)).
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		level, option := unix.SOL_IP, unix.IP_TRANSPARENT
		if canary.Is6() {
			level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
		}
		control := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		return errors.Join(control, err)
	}}
	mouth, err := config.ListenPacket(context.Background(), "udp", netip.AddrPortFrom(canary, 0).String())
	if err != nil {
		return nil, errors.Join(explain(err), p.ear.Close())
	}
	p.mouth = mouth.(*net.UDPConn)
	return p, nil
}

func (p *prober) close() error { return errors.Join(p.ear.Close(), p.mouth.Close()) }

// run bans, speaks, releases and speaks again. Since the loopback interface
// keeps the order, no time has to pass to know that the first did not arrive.
func (p *prober) run(t Table) error {
	now := time.Now()
	ban := Ban{Prefix: canaryPrefix(p.canary), Until: now.Add(canaryBan)}
	if err := t.Ban(now, ban); err != nil {
		return err
	}
	err := p.speak()
	if release := t.Release(ban.Prefix); release != nil || err != nil {
		return errors.Join(err, release)
	}
	if err := p.speak(); err != nil {
		return err
	}
	return p.hear()
}

// speak sends one numbered packet.
func (p *prober) speak() error {
	p.spoken++
	packet := []byte{byte(p.spoken)}
	_, err := p.mouth.WriteToUDPAddrPort(packet, p.ear.LocalAddr().(*net.UDPAddr).AddrPort())
	return err
}

// hear takes what arrives: it has to be the last packet alone.
func (p *prober) hear() error {
	if err := p.ear.SetReadDeadline(time.Now().Add(probeWithin)); err != nil {
		return err
	}
	packet := make([]byte, 2)
	for {
		n, from, err := p.ear.ReadFromUDPAddrPort(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrUnproven
		}
		if err != nil {
			return err
		}
		if from.Addr().Unmap() != p.canary || n != 1 {
			continue
		}
		if packet[0] != p.spoken {
			return ErrPassed
		}
		return nil
	}
}
