package event

import (
	"net/netip"
	"testing"
)

func TestPrefixes(t *testing.T) {
	for address, want := range map[string]struct{ source, network string }{
		"192.0.2.66":             {"192.0.2.66/32", "192.0.2.0/24"},
		"::ffff:192.0.2.66":      {"192.0.2.66/32", "192.0.2.0/24"},
		"2001:db8:1:2:3::66":     {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"2001:db8:1:2:3::66%eth": {"2001:db8:1:2::/64", "2001:db8:1::/48"},
	} {
		a := netip.MustParseAddr(address)
		if got := SourcePrefix(a).String(); got != want.source {
			t.Errorf("the source of %s is %s, want %s", address, got, want.source)
		}
		if got := NetworkPrefix(a).String(); got != want.network {
			t.Errorf("the network of %s is %s, want %s", address, got, want.network)
		}
	}
	if SourcePrefix(netip.Addr{}).IsValid() || NetworkPrefix(netip.Addr{}).IsValid() {
		t.Error("the zero Addr has a prefix")
	}
}
