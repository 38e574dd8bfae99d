package firewall

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Challenge is one nonce of PJSIP's that left this host for an address: 401 or
// 407 over UDP, as the kernel saw it go. The zero Challenge stands for some that
// were not seen.
type Challenge struct {
	To netip.AddrPort
	// For is whose request it answers, as Asterisk had it. It is not where it
	// goes when the request asked for that: RFC 3261 18.2.2, maddr. It is more
	// than one where a stranger has written into the answer: any of them, then.
	For   []netip.Addr
	Nonce []byte // borrowed
}

// maxNonce is longer than any of PJSIP's, of 43 bytes.
const maxNonce = 128

// challengesIn reads the challenges in an IP packet (RFC 791, 8200, 768, 3261)
// and calls fn for each: the same answer may challenge by several algorithms.
// What is no such packet, or is cut, holds none.
//
// A stranger writes into it: he gets his Via, Record-Route, Call-ID, From and To
// back, and PJSIP takes all between [ and ] for a host, line ends, too
// (int_parse_host). But these stand before CSeq, of which he writes a number and
// one word (pjsip_endpt_create_response). So what is behind the last line that
// begins with CSeq is Asterisk's own.
//
// The nonces of chan_sip, which has no slash in them, are left out: it sends the
// same one to whoever repeats a request (see Proven in ami/event).
func challengesIn(packet []byte, fn func(Challenge)) {
	to, payload, ok := udpOf(packet)
	if !ok || !bytes.HasPrefix(payload, []byte("SIP/2.0 401 ")) && !bytes.HasPrefix(payload, []byte("SIP/2.0 407 ")) {
		return
	}
	own := bytes.LastIndex(payload, []byte("\r\nCSeq:"))
	if own < 0 {
		return
	}
	of, rest := receivedFrom(payload[:own]), payload[own+2:]
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
		if nonce := parameter(value, "nonce"); bytes.Contains(nonce, []byte("/")) && len(nonce) <= maxNonce {
			fn(Challenge{to, of, nonce})
		}
	}
}

// receivedFrom is where Asterisk can have had a request from: what it writes
// into the first Via of every answer (pjsip_via_hdr_print), among all that a
// stranger may have written like it, before and behind.
func receivedFrom(headers []byte) (of []netip.Addr) {
	for {
		_, rest, found := bytes.Cut(headers, []byte(";received="))
		if !found {
			return of
		}
		v, _, _ := bytes.Cut(rest, []byte(";"))
		v, _, _ = bytes.Cut(v, []byte("\r\n"))
		addr, _ := netip.ParseAddr(string(bytes.Trim(v, "[]")))
		of = append(of, addr.Unmap())
		headers = rest
	}
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
