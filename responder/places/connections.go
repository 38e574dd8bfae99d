package places

import (
	"net/netip"
	"slices"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// connections are the connections that accounts last signed in over at an address. What
// Asterisk says of a registration does not always name its port: a browser writes none
// into its Via.
type connections struct {
	last map[agentKey][maxConnections]netip.AddrPort
}

// maxConnections is how many connections of an account at one address are remembered: a
// desk phone and a softphone.
const maxConnections = 2

// Connected records that an account has signed in over a connection. It allocates
// nothing for one that is known.
func (p *Places) Connected(o *score.Observation) {
	at := netip.AddrPortFrom(o.Source.Unmap(), o.Port)
	source := event.SourcePrefix(o.Source)
	last, known := p.connections.last[agentKey{string(o.Account), source}]
	if slices.Contains(last[:], at) || !known && len(p.connections.last) >= maxAgents {
		return
	}
	copy(last[1:], last[:])
	last[0] = at
	if p.connections.last == nil {
		p.connections.last = map[agentKey][maxConnections]netip.AddrPort{}
	}
	p.connections.last[agentKey{string(o.Account), source}] = last
}

// appendTo appends the connections of an account at an address to a list.
func (c *connections) appendTo(list []netip.AddrPort, account string, at netip.Prefix) []netip.AddrPort {
	for _, is := range c.last[agentKey{account, at}] {
		if is.IsValid() && !slices.Contains(list, is) {
			list = append(list, is)
		}
	}
	return list
}

// forget forgets the connections of accounts that are not registered at their address.
func (c *connections) forget(registered func(account string, at netip.Prefix) bool) {
	for of := range c.last {
		if !registered(of.account, of.source) {
			delete(c.last, of)
		}
	}
}
