package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/firewall"
)

// packets is what a packet pays on its way in: from the call that sends it to
// the socket that takes it, over a cable between two namespaces, which is one
// path on one core. Every packet is from another source, so that no lookup is
// in the caches; the differences are what the table costs.
func (b *bench) packets() error {
	sizes := []int{-1, 0, 100_000, 1_000_000}
	if b.quick {
		sizes = sizes[:3]
	}
	street, err := newSite()
	if err != nil {
		return err
	}
	defer street.close()
	var roads []*road
	for i, n := range sizes {
		r, err := newRoad(street, i, n)
		if err != nil {
			return fmt.Errorf("a cable: %w", err)
		}
		defer r.close()
		roads = append(roads, r)
	}
	for round := range b.few(25, 6) {
		for _, r := range roads {
			if err := r.measure(uint64(round)); err != nil {
				return err
			}
		}
	}
	b.table.heading("a legitimate packet's way in, random sources")
	for _, r := range roads {
		b.table.add(r.name, duration, r.cost, "")
	}
	bare := roads[0].cost.median()
	for _, r := range roads[1:] {
		b.table.add(r.name+", beyond no table", duration, sample{r.cost.median() - bare}, "nothing to be seen")
	}
	return nil
}

// road is a cable from the street to a PBX with so many bans in force.
type road struct {
	name  string
	pbx   *site
	table *firewall.Kernel
	in    *net.UDPConn
	out   int // a raw socket on the street
	to    netip.Addr
	cost  sample
}

func newRoad(street *site, i, bans int) (r *road, err error) {
	r = &road{name: "no table", out: -1, to: netip.AddrFrom4([4]byte{10, byte(i), 0, 1})}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.pbx, err = newSite(); err != nil {
		return r, err
	}
	if err := r.plug(street, i); err != nil {
		return r, err
	}
	err = r.pbx.do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/conf/all/rp_filter", []byte("0"), 0o644); err != nil {
			return err
		}
		r.in, err = net.ListenUDP("udp4", &net.UDPAddr{Port: 5060})
		return err
	})
	if err != nil {
		return r, err
	}
	// Nobody reads: after a few packets each one takes the same short way.
	if err := r.in.SetReadBuffer(4096); err != nil {
		return r, err
	}
	err = street.do(func() error {
		r.out, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil || bans < 0 {
		return r, err
	}
	r.name = count(float64(bans)) + " bans"
	if r.table, err = firewall.Open(firewall.Config{NetNS: r.pbx.fd}); err != nil {
		return r, err
	}
	now := time.Now()
	list := make([]firewall.Ban, bans)
	for i := range list {
		list[i] = firewall.Ban{Prefix: netip.PrefixFrom(oldBan(i), 32), Until: now.Add(time.Hour)}
	}
	return r, r.table.Ban(now, list...)
}

// plug lays the cable, and tells both ends who is at the other.
func (r *road) plug(street *site, i int) error {
	here, err := netlink.NewHandleAt(netns.NsHandle(street.fd), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := netlink.NewHandleAt(netns.NsHandle(r.pbx.fd), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer there.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("cable%d", i)
	if err := here.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(r.pbx.fd)}); err != nil {
		return err
	}
	near, err := plugged(here, attrs.Name, netip.AddrFrom4([4]byte{10, byte(i), 0, 2}))
	if err != nil {
		return err
	}
	far, err := plugged(there, "eth0", r.to)
	if err != nil {
		return err
	}
	_, everywhere, _ := net.ParseCIDR("0.0.0.0/0")
	if err := there.RouteAdd(&netlink.Route{LinkIndex: far.Attrs().Index, Dst: everywhere}); err != nil {
		return err
	}
	return here.NeighSet(&netlink.Neigh{
		LinkIndex: near.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: r.to.AsSlice(), HardwareAddr: far.Attrs().HardwareAddr,
	})
}

func plugged(h *netlink.Handle, name string, a netip.Addr) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return nil, err
	}
	address, err := netlink.ParseAddr(a.String() + "/24")
	if err != nil {
		return nil, err
	}
	if err := h.AddrAdd(link, address); err != nil {
		return nil, err
	}
	return link, h.LinkSetUp(link)
}

func (r *road) close() {
	if r.out >= 0 {
		_ = unix.Close(r.out)
	}
	if r.in != nil {
		_ = r.in.Close()
	}
	if r.table != nil {
		_ = r.table.Close()
	}
	if r.pbx != nil {
		r.pbx.close()
	}
}

// measure sends packets of the size of a REGISTER.
func (r *road) measure(seed uint64) error {
	const each = 20_000
	chance := rand.New(rand.NewPCG(9, seed))
	packet := make([]byte, 20+8+400)
	packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_UDP
	to := r.to.As4()
	copy(packet[16:], to[:])
	binary.BigEndian.PutUint16(packet[20:], 5061)
	binary.BigEndian.PutUint16(packet[22:], 5060)
	binary.BigEndian.PutUint16(packet[24:], 8+400)
	address := &unix.SockaddrInet4{Addr: to}
	start := time.Now()
	for range each {
		packet[12] = byte(128 + chance.IntN(60)) // none of those banned
		binary.BigEndian.PutUint16(packet[13:], uint16(chance.Uint32()))
		packet[15] = byte(1 + chance.IntN(250))
		if err := unix.Sendto(r.out, packet, 0, address); err != nil {
			return err
		}
	}
	r.cost.add(float64(time.Since(start)) / each)
	return nil
}
