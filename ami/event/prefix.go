package event

import "net/netip"

// SourcePrefix returns the source that an address belongs to: an IPv4 /32 or an
// IPv6 /64, because a subscriber has at least a /64 (RFC 6177). For the zero Addr
// it returns the zero Prefix.
func SourcePrefix(a netip.Addr) netip.Prefix { return prefix(a, 32, 64) }

// NetworkPrefix returns the network that an address belongs to: an IPv4 /24 or an
// IPv6 /48. For the zero Addr it returns the zero Prefix.
func NetworkPrefix(a netip.Addr) netip.Prefix { return prefix(a, 24, 48) }

func prefix(a netip.Addr, v4, v6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := v6
	if a.Is4() {
		bits = v4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
