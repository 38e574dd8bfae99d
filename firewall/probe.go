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
// IPv6, which never appear on any network (RFC 7600 section 4.8, RFC 9780).
var Canaries = []netip.Addr{netip.MustParseAddr("192.0.0.8"), netip.MustParseAddr("100:0:0:1::1")}

// IsCanary reports whether a banned prefix is a probe's.
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
	// ErrPassed is returned when packets from a banned address arrive: the kernel
	// does not drop them, whatever its table says.
	ErrPassed = errors.New("a packet from a banned address was let through")
	// ErrUnproven is returned when not even packets from an address that is not
	// banned arrive, so that the probe proves nothing.
	ErrUnproven = errors.New("the probe's packets do not arrive on the loopback interface even without a ban: another firewall blocks them")
)

// probeWithin limits the time for a packet through the loopback interface, which
// usually takes microseconds.
const probeWithin = 250 * time.Millisecond

// canaryBan is how long a canary stays banned if the probe is interrupted.
const canaryBan = 5 * time.Second

// Probe proves that a ban drops packets. It bans an address, sends a packet from
// it over the loopback interface, which must vanish, releases the address and
// sends another packet, which must arrive. The packets pass the table's hook and
// have the address as their source, like an attacker's. The counter of dropped
// packets increases by one for each address family. Probe must run in the table's
// network namespace and needs CAP_NET_ADMIN, as the table does.
//
// If IPv6 is disabled Probe tries IPv4 only.
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

// prober is two sockets: one sends from the canary's address, one receives.
type prober struct {
	canary   netip.Addr
	receiver *net.UDPConn
	sender   *net.UDPConn
	sent     byte // packets
}

func newProber(canary netip.Addr) (*prober, error) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if canary.Is6() {
		loopback = netip.IPv6Loopback()
	}
	p := &prober{canary: canary}
	var err error
	if p.receiver, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))); err != nil {
		return nil, err
	}
	// A transparent socket may send from an address that is not the host's (ip(7)).
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		level, option := unix.SOL_IP, unix.IP_TRANSPARENT
		if canary.Is6() {
			level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
		}
		control := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		return errors.Join(control, err)
	}}
	sender, err := config.ListenPacket(context.Background(), "udp", netip.AddrPortFrom(canary, 0).String())
	if err != nil {
		return nil, errors.Join(explain(err), p.receiver.Close())
	}
	p.sender = sender.(*net.UDPConn)
	return p, nil
}

func (p *prober) close() error { return errors.Join(p.receiver.Close(), p.sender.Close()) }

// run bans, sends, releases and sends again. The loopback interface keeps the
// order, so there is no need to wait for the first packet not to arrive.
func (p *prober) run(t Table) error {
	now := time.Now()
	ban := Ban{Prefix: canaryPrefix(p.canary), Until: now.Add(canaryBan)}
	if err := t.Ban(now, ban); err != nil {
		return err
	}
	err := p.send()
	if release := t.Release(ban.Prefix); release != nil || err != nil {
		return errors.Join(err, release)
	}
	if err := p.send(); err != nil {
		return err
	}
	return p.receive()
}

// send sends one numbered packet.
func (p *prober) send() error {
	p.sent++
	packet := []byte{p.sent}
	_, err := p.sender.WriteToUDPAddrPort(packet, p.receiver.LocalAddr().(*net.UDPAddr).AddrPort())
	return err
}

// receive expects the last packet and no other.
func (p *prober) receive() error {
	if err := p.receiver.SetReadDeadline(time.Now().Add(probeWithin)); err != nil {
		return err
	}
	packet := make([]byte, 2)
	for {
		n, from, err := p.receiver.ReadFromUDPAddrPort(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ErrUnproven
		}
		if err != nil {
			return err
		}
		if from.Addr().Unmap() != p.canary || n != 1 {
			continue
		}
		if packet[0] != p.sent {
			return ErrPassed
		}
		return nil
	}
}
