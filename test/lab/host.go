package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
)

// Host is one machine of the lab: a network namespace with one interface, eth0. It ends with
// the lab. Its methods may be called from several goroutines.
type Host struct {
	Name      string // as given, such as thief
	Namespace string // as ip-netns(8) knows it, such as tw-4711.1-thief

	fd       int
	sources  []netip.Addr   // the first is what it speaks from unless told otherwise
	networks []netip.Prefix // routed to it as a whole
}

// Source is the first address the host was given, IPv4 or IPv6.
func (h *Host) Source() netip.Addr {
	if len(h.sources) == 0 {
		return netip.Addr{}
	}
	return h.sources[0]
}

// Addresses are the host's, in the order given.
func (h *Host) Addresses() []netip.Addr { return h.sources }

// Network is the first whole network the host was given, if any.
func (h *Host) Network() netip.Prefix {
	if len(h.networks) == 0 {
		return netip.Prefix{}
	}
	return h.networks[0]
}

// Range is every address the host may speak from as one prefix: its network when it has one, its
// first address alone otherwise.
func (h *Host) Range() netip.Prefix {
	if n := h.Network(); n.IsValid() {
		return n
	}
	return netip.PrefixFrom(h.Source(), h.Source().BitLen())
}

// FD is the file descriptor of the namespace, for netlink sockets and the like. It belongs to
// the host and is closed with the lab.
func (h *Host) FD() int { return h.fd }

// Command prepares a program of this machine to run at the host. Killing the process kills the
// program itself.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.Namespace, name}, args...)...)
}

// Do runs fn at the host: sockets that fn itself opens, on its own goroutine, belong there for
// good.
func (h *Host) Do(fn func() error) error {
	if err := inNamespace(h.fd, fn); err != nil {
		return fmt.Errorf("at %s: %w", h.Name, err)
	}
	return nil
}

// Dial connects from the host; address is a literal address and port.
func (h *Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// ListenUDP opens a UDP socket at the host. An invalid address in local means any.
func (h *Host) ListenUDP(local netip.AddrPort) (conn *net.UDPConn, err error) {
	err = h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
		return err
	})
	return conn, err
}

// ListenTCP opens a TCP listener at the host.
func (h *Host) ListenTCP(local netip.AddrPort) (l *net.TCPListener, err error) {
	err = h.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(local))
		return err
	})
	return l, err
}

// AddAddress gives the host one more address.
func (h *Host) AddAddress(a netip.Addr) error {
	suffix := "/32"
	if a.Is6() {
		suffix = "/128 nodad"
	}
	if err := ip(h.Namespace, "addr add "+a.String()+suffix+" dev eth0"); err != nil {
		return err
	}
	h.sources = append(h.sources, a)
	return nil
}

// addNetwork routes all of p to the host, whose address in it is the first one after the
// network's own. router is the host that must know the way, the PBX.
func (h *Host) addNetwork(p netip.Prefix, router *Host) error {
	p = p.Masked()
	first := p.Addr().Next()
	if err := h.AddAddress(first); err != nil {
		return err
	}
	// A local route makes every address of the network the host's own; neighbours would not
	// find them by NDP, so that the PBX gets a route.
	if err := ip(h.Namespace, "route add local "+p.String()+" dev lo"); err != nil {
		return err
	}
	h.networks = append(h.networks, p)
	return ip(router.Namespace, "route add "+p.String()+" via "+first.String()+" dev eth0")
}

// parseAddress reads an address or, with a slash, a whole network.
func parseAddress(s string) (netip.Addr, netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return netip.Addr{}, p, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, netip.Prefix{}, errors.New(s + " is neither an address nor a network")
	}
	return a, netip.Prefix{}, nil
}
