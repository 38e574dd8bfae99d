package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"
)

// ports sets a list of ports.
func (p *parser) ports(key string, in *[]int, to *[]uint16) {
	if in == nil {
		return
	}
	list := []uint16{}
	for _, n := range *in {
		if n < 1 || n > 65535 {
			p.fail(key, "%d: want 1 to 65535", n)
			continue
		}
		list = append(list, uint16(n))
	}
	if len(*in) > maxSIPPorts {
		p.fail(key, "%d ports: want at most %d", len(*in), maxSIPPorts)
	}
	*to = list
}

// ParsePrefix reads an address or a CIDR prefix, unmaps v4-in-v6 and clears
// the host bits.
func ParsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(`%q: want an address such as "192.0.2.1" or a prefix such as "192.0.2.0/24" or "2001:db8::/64"`, s)
	}
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// set overrides the default with a value that the file has.
func set[T any](in, out *T) {
	if in != nil {
		*out = *in
	}
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func (p *parser) path(key string, in, out *string) {
	set(in, out)
	if !filepath.IsAbs(*out) {
		p.fail(key, "%q: want an absolute path", *out)
	}
}

func (p *parser) duration(key string, in *string, out *time.Duration) {
	if in == nil {
		return
	}
	d, err := parseDuration(*in)
	if err != nil {
		p.fail(key, "%q: %v", *in, err)
		return
	}
	*out = d
}

func (p *parser) size(key string, in *string, out *int64) {
	if in == nil {
		return
	}
	n, err := parseSize(*in)
	if err != nil {
		p.fail(key, "%q: %v", *in, err)
		return
	}
	*out = n
}

func (p *parser) number(key string, in, out *int, low, high int) {
	set(in, out)
	if *out < low || *out > high {
		p.fail(key, "%d: want %d to %d", *out, low, high)
	}
}
