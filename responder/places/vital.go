package places

import (
	"fmt"
	"net/netip"
	"slices"
)

// Vital is why an address is never banned, whatever the evidence, because a ban would do
// more harm than whoever guesses there: calls through a carrier that the configuration names
// by its address, or the phones of the whole site, would stop. It is "" for any other.
func (p *Places) Vital(prefix netip.Prefix) string {
	if !prefix.IsValid() {
		return ""
	}
	if named, why, ok := p.carriers.LookupPrefixLPM(prefix); ok && narrow(named) {
		return "Asterisk's configuration names it (" + why + ")"
	}
	if f := p.front; f.at.IsValid() && f.at.Contains(prefix.Addr()) && prefix.Bits() >= f.at.Bits() {
		return fmt.Sprintf("Asterisk sees %d of %d registered extensions behind it", f.phones, f.of)
	}
	return ""
}

// narrow says whether a prefix is no more than one source. In a wider one of a carrier's,
// others may have addresses, too; what answers from there without a password never fails.
func narrow(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() == 32 || p.Addr().Is6() && p.Bits() >= 64
}

// Vitals are the prefixes that are never banned, in order.
func (p *Places) Vitals() (list []netip.Prefix) {
	for prefix := range p.carriers.All() {
		if narrow(prefix) {
			list = append(list, prefix)
		}
	}
	if p.front.at.IsValid() {
		list = append(list, p.front.at)
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list
}
