package firewall

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// The structure of the table, as data: the kernel's ruleset, the comparison with
// it, and Memory and its Dump are all made from it.

// setID names a set, in the order in which the rules look them up.
type setID uint8

const (
	allow4 setID = iota
	allow6
	hosts4
	slash64
	hosts6
	prefixes4
	prefixes6
	sip4
	sip64
	sipnets4
	sipnets6
	asterisk4
	asterisk64
	asterisknets4
	asterisknets6
	setCount
)

// set describes one set of the table.
type set struct {
	name     string
	v6       bool
	interval bool // holds intervals of the address space instead of keys
	allow    bool // its addresses are accepted; no timeouts
	half     bool // keys are IPv6 addresses masked to /64
	scope    Scope
	// size is declared to the kernel. A set without one that gets the flag
	// dynamic is silently limited to 65,535 elements (nft_dynset.c).
	size uint32
}

const (
	// hostSize leaves room for every element twice.
	hostSize = 2 * maxHosts
	sipSize  = 2 * maxSIP
	// intervalSize: n prefixes make at most 2n-1 intervals, each of two elements,
	// each of which may be there twice.
	intervalSize = 8 * MaxPrefixes
	sipNetsSize  = 8 * maxSIPPrefixes
)

var sets = [setCount]set{
	allow4:    {name: "allow4", interval: true, allow: true, size: intervalSize},
	allow6:    {name: "allow6", v6: true, interval: true, allow: true, size: intervalSize},
	hosts4:    {name: "hosts4", size: hostSize},
	slash64:   {name: "slash64", v6: true, half: true, size: hostSize},
	hosts6:    {name: "hosts6", v6: true, size: hostSize},
	prefixes4: {name: "prefixes4", interval: true, size: intervalSize},
	prefixes6: {name: "prefixes6", v6: true, interval: true, size: intervalSize},
	sip4:      {name: "sip4", scope: SIP, size: sipSize},
	sip64:     {name: "sip64", v6: true, half: true, scope: SIP, size: sipSize},
	sipnets4:  {name: "sipnets4", interval: true, scope: SIP, size: sipNetsSize},
	sipnets6:  {name: "sipnets6", v6: true, interval: true, scope: SIP, size: sipNetsSize},

	asterisk4:     {name: "asterisk4", scope: Asterisk, size: hostSize},
	asterisk64:    {name: "asterisk64", v6: true, half: true, scope: Asterisk, size: hostSize},
	asterisknets4: {name: "asterisknets4", interval: true, scope: Asterisk, size: intervalSize},
	asterisknets6: {name: "asterisknets6", v6: true, interval: true, scope: Asterisk, size: intervalSize},
}

// setsOf are the sets of each scope, by what they hold.
var setsOf = [scopeCount]struct{ host4, half, host6, nets4, nets6 setID }{
	All:      {hosts4, slash64, hosts6, prefixes4, prefixes6},
	SIP:      {sip4, sip64, sipnets6, sipnets4, sipnets6},
	Asterisk: {asterisk4, asterisk64, asterisknets6, asterisknets4, asterisknets6},
}

// setOf returns the set for bans of a masked prefix.
func setOf(p netip.Prefix, scope Scope) setID {
	s := &setsOf[scope]
	switch {
	case p.Addr().Is4() && p.Bits() == 32:
		return s.host4
	case p.Addr().Is4():
		return s.nets4
	case p.Bits() == 128:
		return s.host6
	case p.Bits() == 64:
		return s.half
	default:
		return s.nets6
	}
}

// key returns what a set is looked up with for an address.
func (s *set) key(a netip.Addr) netip.Addr {
	if s.half {
		return netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a
}

// chain is one base chain. It has one rule per set, and one per port for sets of a
// scope that closes ports.
type chain struct {
	name, hook, field, port, counter string
	output                           bool
}

// rule is one rule of a chain.
type rule struct {
	set  setID
	over byte   // IPPROTO_UDP or IPPROTO_TCP; 0 for any packet
	port uint16 // with over
}

// ports are those that scopes close, of either protocol in order.
type ports struct{ udp, tcp []uint16 }

// rulesFor returns the rules of every chain, in order.
func rulesFor(p ports) []rule {
	var out []rule
	for id := range setCount {
		scope := sets[id].scope
		if scope == All {
			out = append(out, rule{set: id})
			continue
		}
		for _, port := range p.udp {
			out = append(out, rule{id, unix.IPPROTO_UDP, port})
		}
		if scope != Asterisk {
			continue
		}
		for _, port := range p.tcp {
			out = append(out, rule{id, unix.IPPROTO_TCP, port})
		}
	}
	return out
}

var chains = [...]chain{
	{name: "incoming", hook: "prerouting", field: "saddr", port: "dport", counter: "dropped_in"},
	{name: "outgoing", hook: "output", field: "daddr", port: "sport", counter: "dropped_out", output: true},
}

// words is a rule in nft's notation.
func (c *chain) words(r rule) string {
	s := &sets[r.set]
	var b strings.Builder
	switch r.over {
	case unix.IPPROTO_UDP:
		fmt.Fprintf(&b, "udp %s %d ", c.port, r.port)
	case unix.IPPROTO_TCP:
		fmt.Fprintf(&b, "tcp %s %d ", c.port, r.port)
	}
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
