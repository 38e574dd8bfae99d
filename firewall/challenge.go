package firewall

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Challenge is one nonce that left this host for an address: 401 or 407 over
// UDP, as the kernel saw it go. The zero Challenge stands for some that were not
// seen.
type Challenge struct {
	To netip.AddrPort
	// For is whose request it answers, as Asterisk had it. It is not where it
	// goes when the request asked for that: RFC 3261 18.2.2, maddr. Invalid when
	// the answer does not tell, which PJSIP's always do.
	For   netip.Addr
	Nonce []byte // borrowed
}

// maxNonce is longer than any of Asterisk's (PJSIP: 43 bytes, chan_sip: 8).
const maxNonce = 128

// challengesIn reads the challenges in an IP packet (RFC 791, 8200, 768, 3261)
// and calls fn for each: the same answer may challenge by several algorithms.
// What is no such packet, or is cut, holds none.
func challengesIn(packet []byte, fn func(Challenge)) {
	to, payload, ok := udpOf(packet)
	if !ok {
		return
	}
	status, rest, ok := bytes.Cut(payload, []byte("\r\n"))
	if !ok || !bytes.HasPrefix(status, []byte("SIP/2.0 401 ")) && !bytes.HasPrefix(status, []byte("SIP/2.0 407 ")) {
		return
	}
	of := receivedFrom(rest)
	for len(rest) > 0 {
		var line []byte
		line, rest, ok = bytes.Cut(rest, []byte("\r\n"))
		if !ok || len(line) == 0 {
			return // cut, or the end of the headers
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !bytes.EqualFold(name, []byte("WWW-Authenticate")) && !bytes.EqualFold(name, []byte("Proxy-Authenticate")) {
			continue
		}
		if nonce := parameter(value, "nonce"); len(nonce) > 0 && len(nonce) <= maxNonce {
			fn(Challenge{to, of, nonce})
		}
	}
}

// receivedFrom is where Asterisk had the request from, as the first Via says,
// which is the first header. What a stranger writes into it comes behind
// (pjsip_via_hdr_print), but for a host and a maddr without semicolons.
func receivedFrom(headers []byte) netip.Addr {
	via, _, _ := bytes.Cut(headers, []byte("\r\n"))
	_, v, _ := bytes.Cut(via, []byte(";received="))
	v, _, _ = bytes.Cut(v, []byte(";"))
	addr, _ := netip.ParseAddr(string(bytes.Trim(v, "[]")))
	return addr.Unmap()
}

// udpOf is where a whole UDP packet goes, and what it carries.
func udpOf(packet []byte) (to netip.AddrPort, payload []byte, ok bool) {
	if len(packet) < 1 {
		return to, nil, false
	}
	var addr netip.Addr
	var udp []byte
	switch packet[0] >> 4 {
	case 4:
		header := int(packet[0]&15) * 4
		if header < 20 || len(packet) < header || packet[9] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(packet[6:])&0x3fff != 0 {
			return to, nil, false // 0x3fff: a fragment
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

// parameter is the value of name="…" among the comma-separated parameters of a
// challenge. A quoted string is passed over whole, whatever it holds.
func parameter(v []byte, name string) []byte {
	_, v, _ = bytes.Cut(bytes.TrimSpace(v), []byte(" ")) // the scheme
	for len(v) > 0 {
		key, rest, found := bytes.Cut(v, []byte("="))
		if !found {
			return nil
		}
		key = bytes.Trim(key, " \t,")
		var value []byte
		if rest = bytes.TrimLeft(rest, " \t"); len(rest) > 0 && rest[0] == '"' {
			end := closing(rest)
			if end < 0 {
				return nil
			}
			value, rest = rest[1:end], rest[end+1:]
		} else {
			value, rest, _ = bytes.Cut(rest, []byte(","))
			value = bytes.TrimSpace(value)
		}
		if bytes.EqualFold(key, []byte(name)) {
			return value
		}
		v = rest
	}
	return nil
}

// closing is where the quoted string at the front of v ends; -1 when it does
// not (RFC 3261 25.1, quoted-string).
func closing(v []byte) int {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
