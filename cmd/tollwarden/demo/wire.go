package demo

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tollwarden/tollwarden/firewall"
)

// wire is what lies between the people of the demo and the PBX.
type wire interface {
	// reaches says whether a packet from this address arrives at the PBX.
	reaches(from netip.Addr) bool
	io.Closer
	fmt.Stringer
}

// memoryWire asks the firewall in memory.
type memoryWire struct{ table *firewall.Memory }

func (w memoryWire) reaches(from netip.Addr) bool { return !w.table.Dropped(from, time.Now()) }
func (memoryWire) Close() error                   { return nil }
func (memoryWire) String() string {
	return "packets are dropped by a simulated firewall, because the demo does not run as root"
}

// kernelWire sends real packets through the kernel's own ruleset.
type kernelWire struct {
	pbx  *net.UDPConn
	sent uint64
}

func newKernelWire(pbx netip.AddrPort) (*kernelWire, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(pbx))
	return &kernelWire{pbx: c}, err
}

// arrival bounds how long a packet takes within one machine.
const arrival = 100 * time.Millisecond

func (w *kernelWire) reaches(from netip.Addr) bool {
	phone, err := net.DialUDP("udp", &net.UDPAddr{IP: from.AsSlice()}, w.pbx.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return false
	}
	defer phone.Close()
	w.sent++
	packet := fmt.Sprintf("REGISTER sip:192.0.2.1 SIP/2.0 %d", w.sent)
	if _, err := phone.Write([]byte(packet)); err != nil {
		return false
	}
	_ = w.pbx.SetReadDeadline(time.Now().Add(arrival))
	buf := make([]byte, 512)
	for {
		n, err := w.pbx.Read(buf)
		if err != nil {
			return false
		}
		if string(buf[:n]) == packet {
			return true
		}
	}
}
func (w *kernelWire) Close() error { return w.pbx.Close() }
func (*kernelWire) String() string {
	return "packets are dropped by the kernel's nftables, in a network namespace of its own"
}

// layNetwork gives the namespace's loopback the addresses of everyone.
func layNetwork(addrs []netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	for _, a := range addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
		if err := netlink.AddrAdd(lo, addr); err != nil {
			return fmt.Errorf("demo: add %s: %w", a, err)
		}
	}
	return nil
}
