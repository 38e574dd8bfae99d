package daemon

import (
	"net"
	"net/netip"
)

// OwnAddresses are the addresses of this machine, as far as the kernel says.
func OwnAddresses() (own []netip.Addr) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				own = append(own, addr.Unmap())
			}
		}
	}
	return own
}
