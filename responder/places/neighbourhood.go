package places

import (
	"net/netip"
	"time"
)

// LivedFor is how long after its last use an account still counts as living in a
// neighbourhood: bans on spoofable evidence must not last long there.
const LivedFor = 90 * 24 * time.Hour

// maxNeighbourhoods bounds the neighbourhoods: IPv4 has as many. Each takes an account's
// password.
const maxNeighbourhoods = 1 << 16

// Neighbourhood is the part of the Internet around an address where its account
// may turn up with the next address: an IPv4 /16 or an IPv6 /32.
func Neighbourhood(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is4() {
		bits = 16
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// Lived records that an account was used from an address at that time.
func (p *Places) Lived(source netip.Addr, at time.Time) {
	hood := Neighbourhood(source)
	if !hood.IsValid() {
		return
	}
	last, known := p.lived[hood]
	if known && !at.After(last) {
		return
	}
	if !known && len(p.lived) >= maxNeighbourhoods {
		p.forgetOldest()
	}
	p.lived[hood] = at
	if at.Sub(last) >= LivedFor && p.config.NeighbourhoodLearned != nil { // it was unknown, or no longer counted
		p.config.NeighbourhoodLearned(hood, at)
	}
}

func (p *Places) forgetOldest() {
	var oldest netip.Prefix
	for hood, last := range p.lived {
		if !oldest.IsValid() || last.Before(p.lived[oldest]) {
			oldest = hood
		}
	}
	delete(p.lived, oldest)
}

// Near says whether an account lives near an address: one was used in its neighbourhood
// within LivedFor.
func (p *Places) Near(now time.Time, a netip.Addr) bool {
	last, known := p.lived[Neighbourhood(a)]
	return known && now.Sub(last) < LivedFor
}

// SetOwn sets the addresses of this machine.
func (p *Places) SetOwn(own []netip.Addr) { p.own = own }

// Closable says whether a network may be closed on spoofable evidence: no account lives
// near it, and no address of this machine and no allowed or protected one is in it.
func (p *Places) Closable(now time.Time, network netip.Prefix) bool {
	for _, a := range p.own {
		if network.Contains(a.Unmap().WithZone("")) {
			return false
		}
	}
	return !p.Near(now, network.Addr()) && !p.allow.OverlapsPrefix(network) && !p.overlaps(network)
}
