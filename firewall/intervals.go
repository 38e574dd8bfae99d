package firewall

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// interval is an element of a set: a single key, with first equal to last, or an
// interval of the address space, with first and last included.
type interval struct {
	first, last netip.Addr
	until       expiry
}

func host(a netip.Addr, until expiry) interval { return interval{a, a, until} }

// lastOf returns the last address of a masked prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// disjoint turns the prefixes of one family, which may nest, into as few disjoint
// intervals as possible, each with the latest end of all bans that cover it. Two
// prefixes either nest or are apart, so that a stack of those around the cursor
// is enough.
func disjoint(nets map[netip.Prefix]expiry, v6 bool) []interval {
	type net struct {
		netip.Prefix
		last  netip.Addr
		until expiry
	}
	sorted := make([]net, 0, len(nets))
	for p, s := range nets {
		if p.Addr().Is6() == v6 {
			sorted = append(sorted, net{p, lastOf(p), s})
		}
	}
	slices.SortFunc(sorted, func(a, b net) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})

	out := make([]interval, 0, len(sorted))
	var open []net
	var cursor netip.Addr // the first address not emitted yet; invalid past the last address
	emit := func(last netip.Addr, until expiry) {
		if !cursor.IsValid() || last.Less(cursor) {
			return
		}
		if n := len(out); n > 0 && out[n-1].until == until && out[n-1].last.Next() == cursor {
			out[n-1].last = last
		} else {
			out = append(out, interval{cursor, last, until})
		}
		cursor = last.Next()
	}
	leave := func() {
		top := open[len(open)-1]
		open = open[:len(open)-1]
		emit(top.last, top.until)
	}
	for _, n := range sorted {
		for len(open) > 0 && open[len(open)-1].last.Less(n.Addr()) {
			leave()
		}
		if len(open) > 0 {
			around := open[len(open)-1]
			if around.Addr() != n.Addr() {
				emit(n.Addr().Prev(), around.until)
			}
			n.until = max(n.until, around.until)
		}
		cursor = n.Addr()
		open = append(open, n)
	}
	for len(open) > 0 {
		leave()
	}
	return out
}

// diff returns what to drop and what to add to get from one list of intervals to
// another, and what the set then holds. It leaves alone intervals whose ends
// differ by no more than slack. Both lists must be sorted and disjoint.
func diff(from, to []interval, slack time.Duration) (drop, add, held []interval) {
	i := 0
	for _, t := range to {
		for i < len(from) && from[i].first.Less(t.first) {
			drop = append(drop, from[i])
			i++
		}
		if i < len(from) && from[i].first == t.first {
			f := from[i]
			i++
			if f.last == t.last && near(f.until, t.until, slack) {
				held = append(held, f)
				continue
			}
			drop = append(drop, f)
		}
		add = append(add, t)
		held = append(held, t)
	}
	return append(drop, from[i:]...), add, held
}

// near reports whether two ends are the same within slack.
func near(a, b expiry, slack time.Duration) bool {
	if a == forever || b == forever {
		return a == b
	}
	return max(a, b)-min(a, b) <= expiry(slack)
}

// prefixesOf returns the fewest prefixes that make up an interval.
func prefixesOf(s interval) []netip.Prefix {
	var out []netip.Prefix
	for a := s.first; a.IsValid() && !s.last.Less(a); {
		p := netip.PrefixFrom(a, a.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(a, p.Bits()-1)
			if wider.Masked().Addr() != a || s.last.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		out = append(out, p)
		a = lastOf(p).Next()
	}
	return out
}
