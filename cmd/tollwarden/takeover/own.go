package takeover

import (
	"net"
	"net/netip"
)

// Own lists the addresses of this host, and the networks behind them that are not public.
func Own() (list []netip.Prefix, err error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		list = append(list, ownNetwork(p))
	}
	return list, nil
}

// ownNetwork is what of an interface's network is our own: the whole of it if it is
// private, otherwise only the address, since the neighbours at a hoster are strangers.
func ownNetwork(p netip.Prefix) netip.Prefix {
	addr := p.Addr().Unmap()
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return p.Masked()
	}
	return netip.PrefixFrom(addr, addr.BitLen())
}
