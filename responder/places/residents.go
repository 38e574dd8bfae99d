package places

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
)

const (
	// maxResidences bounds the addresses of which it is remembered who is known there.
	// Each takes an account's password.
	maxResidences = 1 << 17
	// maxResidents bounds the accounts remembered at one address. Those registered there
	// are known besides.
	maxResidents = 32
)

// residents are the accounts known at each address: known addresses by account the other
// way round. An entry may be outdated, so whoever reads one asks whether it still holds.
type residents struct {
	at *bart.Table[[]string] // by source key
}

// reside remembers that an account is known at an address, if there is room. It is called
// when that is news.
func (p *Places) reside(name string, source netip.Prefix, now time.Time) (listed bool) {
	names, known := p.residents.at.Get(source)
	if slices.Contains(names, name) {
		return true
	}
	if len(names) >= maxResidents {
		gone := func(other string) bool { return !p.known(p.find(other), source, now) }
		if names = slices.DeleteFunc(slices.Clone(names), gone); len(names) >= maxResidents {
			return false
		}
	}
	if !known && p.residents.at.Size() >= maxResidences {
		return false // until the outdated ones are pruned
	}
	p.residents.at.Insert(source, append(slices.Clip(names), name))
	return true
}

// Residents yields the accounts that are known at an address, registered or not, and when
// each of them last succeeded there.
func (p *Places) Residents(now time.Time, source netip.Prefix) iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		names, _ := p.residents.at.Get(source)
		phones, _ := p.phones.Get(source)
		seen := make([]string, 0, len(names)+len(phones))
		visit := func(name string) (more bool) {
			if slices.Contains(seen, name) {
				return true
			}
			seen = append(seen, name)
			a := p.find(name)
			if !p.known(a, source, now) {
				return true
			}
			is := a.address(source)
			return is == nil || yield(name, is.last)
		}
		for _, name := range names {
			if !visit(name) {
				return
			}
		}
		for _, is := range phones {
			if !visit(is.account) {
				return
			}
		}
	}
}

// Vouches says whether nobody else is known to have an account's password.
func (p *Places) Vouches(name string, now time.Time) bool {
	return !p.Compromised(name, now) && !p.Stolen([]byte(name), now)
}

// RegisteredBeside says whether an account's phone is in use at an address, on a port
// that is none of these. Where Asterisk does not name the port, as for a browser, that of
// the connection which the account signed in over counts.
func (p *Places) RegisteredBeside(name string, source netip.Prefix, ports []uint16) bool {
	phones, _ := p.phones.Get(source)
	return slices.ContainsFunc(phones, func(is phone) bool {
		if is.account != name {
			return false
		}
		if is.port != 0 {
			return !slices.Contains(ports, is.port)
		}
		return slices.ContainsFunc(p.connections.appendTo(nil, name, source), func(c netip.AddrPort) bool {
			return !slices.Contains(ports, c.Port())
		})
	})
}

// Inhabited says whether an account that counts is known at an address in a network.
func (p *Places) Inhabited(now time.Time, network netip.Prefix, counts func(account string) bool) bool {
	for source := range p.residents.at.Subnets(network) {
		for account := range p.Residents(now, source) {
			if counts(account) {
				return true
			}
		}
	}
	return false
}

// Prune forgets at which addresses nobody is known any more. It is to be called about
// once a day.
func (p *Places) Prune(now time.Time) {
	left := &bart.Table[[]string]{}
	for source, names := range p.residents.at.All() {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !p.known(p.find(name), source, now) })
		if len(names) > 0 {
			left.Insert(source, names)
		}
	}
	p.residents.at = left
}
