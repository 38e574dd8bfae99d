package logfile

import (
	"bytes"
	"net/netip"
	"strconv"
)

// parseSource parses an address as Asterisk writes it into messages
// (ast_sockaddr_stringify, pj_sockaddr_print): with or without a port. An IPv6 address
// with a port is in brackets.
func parseSource(v []byte) (netip.AddrPort, bool) {
	const longest = 64
	if len(v) == 0 || len(v) > longest {
		return netip.AddrPort{}, false
	}
	if inner, port, found := cutBracketed(v); found {
		if len(port) == 0 {
			return addrPort(inner, nil)
		}
		if port[0] != ':' {
			return netip.AddrPort{}, false
		}
		return addrPort(inner, port[1:])
	}
	if bytes.Count(v, []byte{':'}) == 1 {
		host, port, _ := bytes.Cut(v, []byte{':'})
		return addrPort(host, port)
	}
	return addrPort(v, nil)
}

func addrPort(host, port []byte) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(string(host))
	if err != nil || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	n := uint64(0)
	if port != nil {
		if n, err = strconv.ParseUint(string(port), 10, 16); err != nil {
			return netip.AddrPort{}, false
		}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}
