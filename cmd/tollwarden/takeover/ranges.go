package takeover

import "net/netip"

// Prefixes splits a range of addresses, both ends included, into as few prefixes as possible;
// nil if it is none, or if it takes more than most.
func Prefixes(first, last netip.Addr, most int) (list []netip.Prefix) {
	if !first.IsValid() || first.BitLen() != last.BitLen() {
		return nil
	}
	for from := first; from.IsValid() && !last.Less(from); {
		if len(list) == most {
			return nil
		}
		p := netip.PrefixFrom(from, from.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(from, p.Bits()-1)
			if wider.Masked().Addr() != from || last.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		list = append(list, p)
		from = lastOf(p).Next()
	}
	return list
}

// lastOf is the last address of a masked prefix.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(raw)*8; bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return addr
}
