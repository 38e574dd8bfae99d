package firewall

import (
	"fmt"
	"net/netip"
	"strings"
)

// The shape of the table, as data: the kernel's ruleset, the comparison at
// Open, Memory and its Dump are all made from it.

// setID names a set, in the order in which the rules ask them.
type setID uint8

const (
	allow4 setID = iota
	allow6
	hosts4
	slash64
	hosts6
	prefixes4
	prefixes6
	setCount
)

// set is what one set of the table looks like.
type set struct {
	name     string
	v6       bool
	interval bool // holds pieces of the address space, not single keys
	allow    bool // its addresses are accepted, not dropped; no timeouts
	half     bool // keys are IPv6 addresses masked to /64
	// size is declared to the kernel. Without one, a set that ever gets the
	// flag dynamic is capped at 65,535 in silence (nft_dynset.c).
	size uint32
}

const (
	// hostSize leaves room for every element twice.
	hostSize = 2 * MaxHosts
	// intervalSize: n prefixes make at most 2n-1 pieces, a piece is two
	// elements, and each may be there twice.
	intervalSize = 8 * MaxPrefixes
)

var sets = [setCount]set{
	allow4:    {name: "allow4", interval: true, allow: true, size: intervalSize},
	allow6:    {name: "allow6", v6: true, interval: true, allow: true, size: intervalSize},
	hosts4:    {name: "hosts4", size: hostSize},
	slash64:   {name: "slash64", v6: true, half: true, size: hostSize},
	hosts6:    {name: "hosts6", v6: true, size: hostSize},
	prefixes4: {name: "prefixes4", interval: true, size: intervalSize},
	prefixes6: {name: "prefixes6", v6: true, interval: true, size: intervalSize},
}

// setOf says which set bans a normal prefix.
func setOf(p netip.Prefix) setID {
	switch {
	case p.Addr().Is4() && p.Bits() == 32:
		return hosts4
	case p.Addr().Is4():
		return prefixes4
	case p.Bits() == 128:
		return hosts6
	case p.Bits() == 64:
		return slash64
	default:
		return prefixes6
	}
}

// key is the address that a set is asked for.
func (s *set) key(a netip.Addr) netip.Addr {
	if s.half {
		return netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a
}

// chain is one base chain; it has one rule for each set.
type chain struct {
	name, hook, field, counter string
	output                     bool
}

var chains = [...]chain{
	{name: "incoming", hook: "prerouting", field: "saddr", counter: "dropped_in"},
	{name: "outgoing", hook: "output", field: "daddr", counter: "dropped_out", output: true},
}

// rule is the rule for one set in nft's words.
func (c *chain) rule(id setID) string {
	s := &sets[id]
	var b strings.Builder
	if s.v6 {
		b.WriteString("ip6 ")
	} else {
		b.WriteString("ip ")
	}
	b.WriteString(c.field)
	if s.half {
		b.WriteString(" & ffff:ffff:ffff:ffff::")
	}
	fmt.Fprintf(&b, " @%s ", s.name)
	if s.allow {
		b.WriteString("accept")
	} else {
		fmt.Fprintf(&b, "counter name %q drop", c.counter)
	}
	return b.String()
}
