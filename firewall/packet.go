package firewall

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Packet is one UDP packet that left this host, as the kernel saw it go. One
// without an address stands for some that were missed.
type Packet struct {
	// To is where the packet is really sent, whatever is written in it.
	To netip.AddrPort
	// Payload is what follows the UDP header. It is only valid until the
	// function that gets it returns.
	Payload []byte
	// At is when the packet was read from the kernel.
	At time.Time
}

// readUDP reads an IP packet (RFC 791, 8200, 768) and reports false if it is not
// a complete UDP packet.
func readUDP(packet []byte) (to netip.AddrPort, payload []byte, ok bool) {
	if len(packet) < 20 {
		return to, nil, false
	}
	var addr netip.Addr
	var udp []byte
	switch packet[0] >> 4 {
	case 4:
		const fragment = 0x3fff // more fragments, or an offset
		header := int(packet[0]&15) * 4
		if header < 20 || len(packet) < header || packet[9] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(packet[6:])&fragment != 0 {
			return to, nil, false
		}
		addr, udp = netip.AddrFrom4([4]byte(packet[16:20])), packet[header:]
	case 6:
		if len(packet) < 40 || packet[6] != unix.IPPROTO_UDP {
			return to, nil, false
		}
		addr, udp = netip.AddrFrom16([16]byte(packet[24:40])), packet[40:]
	default:
		return to, nil, false
	}
	if len(udp) < 8 {
		return to, nil, false
	}
	return netip.AddrPortFrom(addr.Unmap(), binary.BigEndian.Uint16(udp[2:])), udp[8:], true
}
