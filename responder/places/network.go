package places

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// UseNetwork records that an account is used from the network of an address.
// first says that it was not known there, and young that it is not at home there
// yet. It allocates nothing for a network that is known. The use of an address on
// probation shows nothing of its network.
func (p *Places) UseNetwork(now time.Time, name string, source netip.Addr) (first, young bool) {
	a := p.use(name)
	if is := a.address(event.SourcePrefix(source)); is != nil && !is.probation.IsZero() && a.onProbation(is, now) {
		return false, true
	}
	prefix := event.NetworkPrefix(source)
	known := a.networks[prefix]
	if known == nil || now.Sub(known.last) >= rememberNetwork {
		known = a.newNetwork(prefix)
		first = true
	}
	if known.use(now) && p.config.NetworkLearned != nil {
		p.config.NetworkLearned(Network{a.name, prefix, known.first, known.last})
	}
	young = now.Sub(known.first) < settled
	if !young {
		p.Lived(source, now)
	}
	return first, young
}

// use notes one more time and says whether the ledger should know.
func (s *span) use(now time.Time) (tell bool) {
	if s.first.IsZero() {
		s.first = now
	}
	if now.After(s.last) {
		s.last = now
	}
	if s.reported.IsZero() || s.last.Sub(s.reported) >= 24*time.Hour {
		s.reported = s.last
		return true
	}
	return false
}

// newNetwork makes room for a network, at the cost of the one longest not used.
func (a *account) newNetwork(prefix netip.Prefix) *span {
	if a.networks == nil {
		a.networks = map[netip.Prefix]*span{}
	}
	if len(a.networks) >= maxNetworks {
		var oldest netip.Prefix
		for other, s := range a.networks {
			if !oldest.IsValid() || s.last.Before(a.networks[oldest].last) {
				oldest = other
			}
		}
		delete(a.networks, oldest)
	}
	s := &span{}
	a.networks[prefix] = s
	return s
}

// AssumeHome makes the network of an address an account's home if nothing is
// known of the account's networks: at the first start, this is where its phone is.
func (p *Places) AssumeHome(now time.Time, name string, source netip.Addr) {
	if a := p.use(name); len(a.networks) == 0 && !a.doubtful(event.SourcePrefix(source), now) {
		*a.newNetwork(event.NetworkPrefix(source)) = span{first: now.Add(-settled), last: now}
		p.Lived(source, now)
	}
}

// RestoreNetwork takes over a network of a former run.
func (p *Places) RestoreNetwork(now time.Time, n Network) {
	if now.Sub(n.Last) < rememberNetwork {
		*p.use(n.Account).newNetwork(n.Prefix) = span{n.First, n.Last, n.Last}
		if n.Last.Sub(n.First) >= settled {
			p.Lived(n.Prefix.Addr(), n.Last)
		}
	}
}

// Home says whether an account has long been used from the network of an address:
// its own users are there.
func (p *Places) Home(now time.Time, name string, source netip.Addr) bool {
	a := p.find(name)
	return a != nil && source.IsValid() && a.home(now, event.NetworkPrefix(source))
}

func (a *account) home(now time.Time, network netip.Prefix) bool {
	s := a.networks[network]
	return s != nil && now.Sub(s.first) >= settled && now.Sub(s.last) < rememberNetwork
}

// UsedSince says whether an account has been used from the network of an address since
// before a time.
func (p *Places) UsedSince(before time.Time, name string, source netip.Addr) bool {
	a := p.find(name)
	if a == nil || !source.IsValid() {
		return false
	}
	s := a.networks[event.NetworkPrefix(source)]
	return s != nil && s.first.Before(before)
}

// NearHome says whether an address lies in the neighbourhood of a network where an account
// is at home: a provider's next address for it does.
func (p *Places) NearHome(name []byte, source netip.Prefix, now time.Time) bool {
	e := p.accounts[string(name)]
	if e == nil {
		return false
	}
	a, hood := e.Value.(*account), Neighbourhood(source.Addr())
	for network := range a.networks {
		if hood.Contains(network.Addr()) && a.home(now, network) {
			return true
		}
	}
	return false
}

// Young says whether the network of an address is known for an account, but not
// its home yet.
func (p *Places) Young(now time.Time, name string, network netip.Prefix) bool {
	a := p.find(name)
	if a == nil {
		return false
	}
	s := a.networks[network]
	return s != nil && now.Sub(s.first) < settled
}

// Homes are the networks that an account has long been used from.
func (p *Places) Homes(now time.Time, name string) (list []netip.Prefix) {
	a := p.find(name)
	if a == nil {
		return nil
	}
	for prefix := range a.networks {
		if a.home(now, prefix) {
			list = append(list, prefix)
		}
	}
	return list
}

// LivedIn says whether an account has been used in one network alone for so long, and
// why not. Nothing is known of the time before the first use that was recorded.
func (p *Places) LivedIn(now time.Time, name string, long time.Duration) (why string) {
	a := p.find(name)
	var first time.Time
	used := map[netip.Prefix]bool{}
	if a != nil {
		for prefix, s := range a.networks {
			if now.Sub(s.last) < long {
				used[prefix], first = true, s.first
			}
		}
		for i := range a.addresses {
			if is := &a.addresses[i]; p.known(a, is.source, now) && now.Sub(is.last) < long {
				used[event.NetworkPrefix(is.source.Addr())] = true
			}
		}
	}
	switch {
	case len(used) > 1:
		return fmt.Sprintf("it was used from %d networks in the last %d days", len(used), int(long.Hours()/24))
	case first.IsZero() || now.Sub(first) < long:
		return fmt.Sprintf("it has not been known in one network for %d days", int(long.Hours()/24))
	}
	return ""
}
