package places

import (
	"net/netip"
	"time"

	"github.com/gaissmai/bart"

	"github.com/tollwarden/tollwarden/ami/event"
)

// SetNamed takes the addresses to which the host names on the allow list lead. Every
// account is known there, and spoofable evidence bans none of them; that is all, since
// whoever controls such a name chooses the addresses. fresh are those that were not named
// before.
func (p *Places) SetNamed(now time.Time, list []Protected) (fresh []netip.Prefix) {
	named := &bart.Table[string]{}
	for _, c := range list {
		prefix := event.SourcePrefix(c.Prefix.Addr())
		if !prefix.IsValid() {
			continue
		}
		if _, before := p.named.Get(prefix); !before {
			fresh = append(fresh, prefix)
		}
		named.Insert(prefix, c.Why)
		p.Lived(c.Prefix.Addr(), now)
	}
	p.named = named
	return fresh
}

// Named says why an address is one to which a host name on the allow list leads; "" if it
// is none.
func (p *Places) Named(source netip.Prefix) string {
	why, _ := p.named.Get(source)
	return why
}

// isNamed reports whether a host name on the allow list leads to a source.
func (p *Places) isNamed(source netip.Prefix) bool {
	if p.named.Size() == 0 {
		return false
	}
	_, named := p.named.Get(source)
	return named
}

// NamedNetworks are the networks of these addresses.
func (p *Places) NamedNetworks() (list []netip.Prefix) {
	for prefix := range p.named.All() {
		list = append(list, event.NetworkPrefix(prefix.Addr()))
	}
	return list
}
