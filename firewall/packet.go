package firewall

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Direction is which way a packet goes.
type Direction uint8

const (
	// In is a request for this host.
	In Direction = iota
	// Out is a response that leaves this host.
	Out
)

func (d Direction) String() string { return [...]string{"in", "out"}[d] }

// Packet is one SIP message over UDP, as the kernel saw it arrive or leave. One
// without addresses means that some were missed.
type Packet struct {
	Direction Direction
	// From and To are where the packet really comes from and goes to, whatever
	// is written in it. From is proven for Out only: anybody can forge a source.
	// The local port tells Asterisk's channel drivers apart.
	From, To netip.AddrPort
	// Payload is what follows the UDP header. It is only valid until the
	// function that gets it returns.
	Payload []byte
	// Truncated means that the end of the payload is missing.
	Truncated bool
	// At is when the packet was read from the kernel.
	At time.Time
}

// datagram is what an IP packet carries.
type datagram struct {
	from, to netip.Addr
	data     []byte // from the UDP header on
	partial  bool   // more of it was there, or is in other fragments
}

// readUDP reads the addresses and the payload of an IP packet (RFC 768). It
// rejects what the kernel would not deliver, and fragments but the first.
func readUDP(packet []byte) (p Packet, ok bool) {
	if len(packet) == 0 {
		return p, false
	}
	var d datagram
	v6 := packet[0]>>4 == 6
	switch {
	case v6:
		d, ok = readIPv6(packet)
	case packet[0]>>4 == 4:
		d, ok = readIPv4(packet)
	}
	if !ok || len(d.data) < 8 {
		return p, false
	}
	size := int(binary.BigEndian.Uint16(d.data[4:]))
	switch {
	case size == 0 && v6: // all there is (__udp6_lib_rcv in net/ipv6/udp.c)
		size, p.Truncated = len(d.data), d.partial
	case size < 8 || size > len(d.data) && !d.partial:
		return p, false
	case size > len(d.data):
		size, p.Truncated = len(d.data), true
	}
	p.From = netip.AddrPortFrom(d.from, binary.BigEndian.Uint16(d.data))
	p.To = netip.AddrPortFrom(d.to, binary.BigEndian.Uint16(d.data[2:]))
	p.Payload = d.data[8:size] // Asterisk does not get what follows, either
	return p, true
}

// readIPv4 reads an IPv4 header (RFC 791).
func readIPv4(b []byte) (d datagram, ok bool) {
	if len(b) < 20 {
		return d, false
	}
	const more, offset = 0x2000, 0x1fff
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:])
	if header < 20 || total < header || len(b) < header || b[9] != unix.IPPROTO_UDP || fragment&offset != 0 {
		return d, false
	}
	return datagram{
		from: netip.AddrFrom4([4]byte(b[12:16])), to: netip.AddrFrom4([4]byte(b[16:20])),
		data: b[header:min(total, len(b))], partial: total > len(b) || fragment&more != 0,
	}, true
}

// readIPv6 reads an IPv6 header and those behind it (RFC 8200): a sender who adds
// one reaches Asterisk all the same.
func readIPv6(b []byte) (d datagram, ok bool) {
	const header = 40
	if len(b) < header {
		return d, false
	}
	total := header + int(binary.BigEndian.Uint16(b[4:]))
	d = datagram{
		from: netip.AddrFrom16([16]byte(b[8:24])).Unmap(), to: netip.AddrFrom16([16]byte(b[24:40])).Unmap(),
		data: b[header:min(total, len(b))], partial: total > len(b),
	}
	for next := b[6]; next != unix.IPPROTO_UDP; {
		if len(d.data) < 8 {
			return d, false
		}
		size := 8
		switch next {
		case unix.IPPROTO_FRAGMENT:
			const more, offset = 1, 0xfff8
			fragment := binary.BigEndian.Uint16(d.data[2:])
			if fragment&offset != 0 {
				return d, false
			}
			d.partial = d.partial || fragment&more != 0
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			size = 8 + 8*int(d.data[1])
		default:
			return d, false
		}
		if size > len(d.data) {
			return d, false
		}
		next, d.data = d.data[0], d.data[size:]
	}
	return d, true
}
