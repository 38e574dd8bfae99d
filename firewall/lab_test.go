package firewall

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// lab is two network namespaces joined by a cable: the PBX with the table, and the
// street, where packets come from.
type lab struct {
	pbx, street int          // namespace descriptors
	in, other   *net.UDPConn // the port of SIP, and another
	raw4, raw6  int
	tcp4, tcp6  int // what the PBX gets over TCP
	serial      uint32
}

// otherPort is not a SIP port unless a test makes it one.
const otherPort = 9999

var (
	pbx4        = netip.MustParseAddr("192.0.2.1")
	pbx6        = netip.MustParseAddr("2001:db8:1::1")
	streetAddrs = []string{"192.0.2.2/24", "192.0.2.3/24", "2001:db8:1::2/64", "2001:db8:1::3/64", "2001:db8:2::2/64"}
)

// theLab is built once, since a new cable takes up to a second to carry IPv6.
var theLab *lab

// lasting keeps what one test builds until the process ends.
type lasting struct{ testing.TB }

func (lasting) Cleanup(func()) {}

// newLab is the lab without any ruleset. Tests that use it do not run in parallel.
func newLab(t testing.TB) *lab {
	t.Helper()
	needRoot(t)
	if theLab == nil {
		theLab = buildLab(lasting{t})
	}
	c := theLab.conn(t)
	c.FlushRuleset()
	must(t, c.Flush())
	return theLab
}

func buildLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{pbx: newNetNS(t), street: newNetNS(t)}
	for _, ns := range []int{l.pbx, l.street} {
		l.inside(t, ns, func() error {
			return errors.Join( // any source address is fine, and no second is lost on finding out that ours are unique
				os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("0"), 0o644),
				os.WriteFile("/proc/sys/net/ipv4/conf/default/rp_filter", []byte("0"), 0o644),
				os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0o644))
		})
	}
	at := func(ns int) *netlink.Handle {
		h, err := netlink.NewHandleAt(netns.NsHandle(ns), unix.NETLINK_ROUTE)
		must(t, err)
		t.Cleanup(h.Close)
		return h
	}
	pbx, street := at(l.pbx), at(l.street)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "cable"
	must(t, street.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "cable", PeerNamespace: netlink.NsFd(l.pbx)}))
	pbxAddrs := []string{pbx4.String() + "/24", pbx6.String() + "/64", "2001:db8:2::1/64"}
	plug(t, pbx, pbxAddrs)
	plug(t, street, streetAddrs)
	introduce(t, pbx, street, streetAddrs)
	introduce(t, street, pbx, pbxAddrs)
	l.in, l.other = l.listen(t, "[::]:5060"), l.listen(t, fmt.Sprintf("[::]:%d", otherPort))
	l.inside(t, l.street, func() (err error) {
		if l.raw4, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return err
		}
		l.raw6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	t.Cleanup(func() { unix.Close(l.raw4); unix.Close(l.raw6) })
	l.inside(t, l.pbx, func() (err error) {
		if l.tcp4, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP); err != nil {
			return err
		}
		l.tcp6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
		return err
	})
	t.Cleanup(func() { unix.Close(l.tcp4); unix.Close(l.tcp6) })
	// A new cable takes a while to carry IPv6.
	for _, a := range []string{"198.51.100.200", "2001:db8:ffff::200"} {
		for began := time.Now(); !l.arrives(t, netip.MustParseAddr(a)); {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("a packet from %s does not arrive without a table", a)
			}
		}
	}
	return l
}

// plug gives an end of the cable its addresses and a default route.
func plug(t testing.TB, h *netlink.Handle, addrs []string) {
	t.Helper()
	lo, err := h.LinkByName("lo") // IPv6 delivers nothing without it
	must(t, err)
	must(t, h.LinkSetUp(lo))
	link, err := h.LinkByName("cable")
	must(t, err)
	must(t, h.LinkSetUp(link))
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		must(t, err)
		addr.Flags = unix.IFA_F_NODAD
		must(t, h.AddrAdd(link, addr))
	}
	for _, everywhere := range []string{"0.0.0.0/0", "::/0"} {
		_, dst, err := net.ParseCIDR(everywhere)
		must(t, err)
		must(t, h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: dst}))
	}
}

// introduce gives one end the other's hardware address, so that no packet waits
// for neighbour discovery.
func introduce(t testing.TB, to, who *netlink.Handle, addrs []string) {
	t.Helper()
	here, err := to.LinkByName("cable")
	must(t, err)
	there, err := who.LinkByName("cable")
	must(t, err)
	for _, a := range addrs {
		must(t, to.NeighSet(&netlink.Neigh{
			LinkIndex: here.Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: net.IP(netip.MustParsePrefix(a).Addr().AsSlice()), HardwareAddr: there.Attrs().HardwareAddr,
		}))
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with the namespace
		done <- unix.Unshare(unix.CLONE_NEWNET)
	}()
	if err := <-done; err != nil {
		t.Skipf("needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN) for network namespaces: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newNetNS(t testing.TB) int {
	t.Helper()
	type made struct {
		fd  int
		err error
	}
	c := make(chan made)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			c <- made{0, err}
			return
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		c <- made{fd, err}
	}()
	m := <-c
	must(t, m.err)
	t.Cleanup(func() { unix.Close(m.fd) })
	return m.fd
}

// inside runs f on a thread in a namespace; sockets made there stay there.
func (l *lab) inside(t testing.TB, ns int, f func() error) {
	t.Helper()
	c := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			c <- err
			return
		}
		c <- f()
	}()
	must(t, <-c)
}

// listen opens a UDP port of the PBX.
func (l *lab) listen(t testing.TB, addr string) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	l.inside(t, l.pbx, func() error {
		c, err := net.ListenPacket("udp", addr)
		if err == nil {
			conn = c.(*net.UDPConn)
			err = conn.SetReadBuffer(8 << 20)
		}
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

// dial connects from an address on the street.
func (l *lab) dial(t testing.TB, network, from, to string) net.Conn {
	t.Helper()
	var conn net.Conn
	l.inside(t, l.street, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second}
		ap := netip.AddrPortFrom(netip.MustParseAddr(from), 0)
		if network == "udp" {
			d.LocalAddr = net.UDPAddrFromAddrPort(ap)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(ap)
		}
		conn, err = d.DialContext(context.Background(), network, to)
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

// bystander is only banned by tests that ban everything.
var bystander = netip.MustParseAddr("198.18.0.1")

// arrives sends a packet from any address and reports whether the PBX receives it.
// A bystander's packet follows: once that has arrived, the first one does not have
// long.
func (l *lab) arrives(t testing.TB, from netip.Addr) bool {
	t.Helper()
	return l.arrivesAt(t, l.in, from)
}

// arrivesAt is arrives for one of the PBX's sockets.
func (l *lab) arrivesAt(t testing.TB, at *net.UDPConn, from netip.Addr) bool {
	t.Helper()
	port := uint16(at.LocalAddr().(*net.UDPAddr).Port)
	l.serial += 2
	want, after := l.serial, l.serial+1
	l.forge(t, from, port, binary.BigEndian.AppendUint32(nil, want))
	l.forge(t, bystander, port, binary.BigEndian.AppendUint32(nil, after))
	buf := make([]byte, 64)
	must(t, at.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	for {
		n, _, err := at.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		must(t, err)
		if n != 4 {
			continue
		}
		switch binary.BigEndian.Uint32(buf) {
		case want:
			return true
		case after:
			must(t, at.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		}
	}
}

// connects sends the first packet of a TCP connection from any address and reports
// whether the PBX receives it, like arrives.
func (l *lab) connects(t testing.TB, from netip.Addr, port uint16) bool {
	t.Helper()
	after := bystander
	fd, skip := l.tcp4, 20 // IPv4 comes with its header
	if from.Is6() {
		after, fd, skip = netip.MustParseAddr("2001:db8:ffff::200"), l.tcp6, 0
	}
	l.serial += 2
	want, last := l.serial, l.serial+1
	syn := func(from netip.Addr, serial uint32) {
		b := binary.BigEndian.AppendUint16(nil, 40000)
		b = binary.BigEndian.AppendUint16(b, port)
		b = binary.BigEndian.AppendUint32(b, serial)
		l.send(t, from, unix.IPPROTO_TCP, append(b, 0, 0, 0, 0, 5<<4, 2, 0xff, 0xff, 0, 0, 0, 0))
	}
	syn(from, want)
	syn(after, last)
	buf := make([]byte, 256)
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) {
			time.Sleep(time.Millisecond)
			continue
		}
		must(t, err)
		if n < skip+20 {
			continue
		}
		switch binary.BigEndian.Uint32(buf[skip+4:]) {
		case want:
			return true
		case last:
			return false // the cable keeps the order
		}
	}
	return false
}

// forge sends one UDP packet with a source address of choice.
func (l *lab) forge(t testing.TB, from netip.Addr, port uint16, payload []byte) {
	t.Helper()
	udp := binary.BigEndian.AppendUint16(nil, 5061)
	udp = binary.BigEndian.AppendUint16(udp, port)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...)
	if from.Is6() {
		binary.BigEndian.PutUint16(udp[6:], checksum(from, pbx6, udp))
	}
	l.send(t, from, unix.IPPROTO_UDP, udp)
}

// send sends one packet with a source address of choice.
func (l *lab) send(t testing.TB, from netip.Addr, protocol byte, payload []byte) {
	t.Helper()
	if from.Is4() {
		ip := []byte{0x45, 0, byte((20 + len(payload)) >> 8), byte(20 + len(payload)), 0, 0, 0, 0, 64, protocol, 0, 0}
		ip = append(append(ip, from.AsSlice()...), pbx4.AsSlice()...)
		must(t, unix.Sendto(l.raw4, append(ip, payload...), 0, &unix.SockaddrInet4{Addr: pbx4.As4()}))
		return
	}
	ip := []byte{0x60, 0, 0, 0, byte(len(payload) >> 8), byte(len(payload)), protocol, 64}
	ip = append(append(ip, from.AsSlice()...), pbx6.AsSlice()...)
	must(t, unix.Sendto(l.raw6, append(ip, payload...), 0, &unix.SockaddrInet6{Addr: pbx6.As16()}))
}

// checksum is that of UDP over IPv6 (RFC 8200 8.1).
func checksum(from, to netip.Addr, udp []byte) uint16 {
	b := append(append([]byte{}, from.AsSlice()...), to.AsSlice()...)
	b = append(b, 0, 0, byte(len(udp)>>8), byte(len(udp)), 0, 0, 0, unix.IPPROTO_UDP)
	b = append(b, udp...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	if ^uint16(sum) == 0 {
		return 0xffff
	}
	return ^uint16(sum)
}

// answer sends from the PBX to an address and reports whether the kernel lets it.
func (l *lab) answer(t testing.TB, to netip.Addr) bool {
	t.Helper()
	_, err := l.in.WriteToUDPAddrPort([]byte("SIP/2.0 200 OK"), netip.AddrPortFrom(to, 5061))
	if err != nil && !errors.Is(err, unix.EPERM) {
		t.Fatal(err)
	}
	return err == nil
}

// flood is a stream of packets from one address on the street.
type flood struct {
	sent, arrived atomic.Int64
	quit          chan struct{}
	ended         sync.WaitGroup
	in            *net.UDPConn
}

// flood starts one and waits until it arrives, so that later silence means
// something.
func (l *lab) flood(t testing.TB, from string) *flood {
	t.Helper()
	f := &flood{quit: make(chan struct{}), in: l.listen(t, ":5070")}
	to := pbx4.String() + ":5070"
	if strings.Contains(from, ":") {
		to = "[" + pbx6.String() + "]:5070"
	}
	out := l.dial(t, "udp", from, to)
	f.ended.Go(func() {
		buf := make([]byte, 64)
		for {
			if _, _, err := f.in.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
			f.arrived.Add(1)
		}
	})
	f.ended.Go(func() {
		for {
			select {
			case <-f.quit:
				return
			default:
				if _, err := out.Write([]byte("guess")); err == nil {
					f.sent.Add(1)
				}
			}
		}
	})
	for try := 0; f.arrived.Load() == 0; try++ {
		if try == 500 {
			t.Fatal("the flood does not arrive")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return f
}

// start counts from here, after everything on its way has arrived: on a busy
// machine it may take a while to read what the socket holds.
func (f *flood) start() {
	for quiet := 0; quiet < 5; {
		before := f.arrived.Load()
		time.Sleep(50 * time.Millisecond)
		if quiet++; f.arrived.Load() != before {
			quiet = 0
		}
	}
	f.sent.Store(0)
	f.arrived.Store(0)
}

// none ends the flood and fails if anything has arrived since start.
func (f *flood) none(t testing.TB) {
	t.Helper()
	time.Sleep(50 * time.Millisecond)
	sent, arrived := f.sent.Load(), f.arrived.Load()
	close(f.quit)
	f.in.Close()
	f.ended.Wait()
	if sent == 0 || arrived > 0 {
		t.Errorf("%d of %d packets arrived", arrived, sent)
	} else {
		t.Logf("%d packets sent, none arrived", sent)
	}
}

// lockedWithout keeps this goroutine on a thread without one capability; the
// thread dies with the goroutine.
func lockedWithout(capability uint) {
	runtime.LockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		panic(err)
	}
	data[capability/32].Effective &^= 1 << (capability % 32)
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		panic(err)
	}
}
