package event

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// ParseAddress parses an address as Asterisk writes it in security events:
//
//	IPV4|IPV6 / [UDP|TCP|TLS|WS|WSS /] address / port
//
// The transport may be missing. IPv6 addresses have no brackets; an IPv4-mapped
// address is returned as IPv4; a zone is rejected. ParseAddress does not allocate
// for any address that Asterisk can write.
// (main/json.c ast_json_ipaddr, unchanged from 16 to 23.)
func ParseAddress(v []byte) (netip.AddrPort, Transport, bool) {
	family, rest, found := bytes.Cut(v, []byte{'/'})
	last := bytes.LastIndexByte(rest, '/')
	if !found || last < 0 {
		return netip.AddrPort{}, 0, false
	}
	host, port := rest[:last], rest[last+1:]
	var transport Transport
	if name, after, found := bytes.Cut(host, []byte{'/'}); found {
		var known bool
		if transport, known = parseTransport(name); !known {
			return netip.AddrPort{}, 0, false
		}
		host = after
	}
	addr, ok := parseIP(host)
	number, isNumber := parsePort(port)
	if !ok || !isNumber || !isFamily(family, addr) {
		return netip.AddrPort{}, 0, false
	}
	return netip.AddrPortFrom(addr.Unmap(), number), transport, true
}

// isFamily reports whether tag fits the address. Asterisk tags an IPv4-mapped
// address IPV4.
func isFamily(tag []byte, a netip.Addr) bool {
	switch string(tag) {
	case "IPV4":
		return a.Unmap().Is4()
	case "IPV6":
		return a.Is6()
	}
	return false
}

// longestIP is "ffff:…:ffff:255.255.255.255".
const longestIP = 45

func parseIP(v []byte) (netip.Addr, bool) {
	if len(v) == 0 || len(v) > longestIP || bytes.IndexByte(v, '%') >= 0 {
		return netip.Addr{}, false
	}
	// Converting to a string would allocate on every event. ParseAddr retains
	// nothing of an address without a zone, and its error is dropped here.
	a, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(v), len(v)))
	return a, err == nil
}

func parsePort(v []byte) (uint16, bool) {
	if len(v) == 0 || len(v) > 5 || (len(v) > 1 && v[0] == '0') {
		return 0, false
	}
	n := 0
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), n <= 65535
}
