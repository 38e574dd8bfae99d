package takeover

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestPrefixes(t *testing.T) {
	for _, tt := range []struct {
		first, last string
		most        int
		want        string
	}{
		{"203.0.113.5", "203.0.113.9", 3, "[203.0.113.5/32 203.0.113.6/31 203.0.113.8/31]"},
		{"203.0.113.5", "203.0.113.9", 2, "[]"},
		{"203.0.113.0", "203.0.113.255", 1, "[203.0.113.0/24]"},
		{"0.0.0.0", "255.255.255.255", 1, "[0.0.0.0/0]"},
		{"2001:db8::", "2001:db8::3", 1, "[2001:db8::/126]"},
		{"2001:db8::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 8, "[]"},
		{"203.0.113.9", "203.0.113.5", 8, "[]"},
		{"203.0.113.9", "2001:db8::", 8, "[]"},
	} {
		if got := fmt.Sprint(Prefixes(netip.MustParseAddr(tt.first), netip.MustParseAddr(tt.last), tt.most)); got != tt.want {
			t.Errorf("%s to %s, at most %d: %s, want %s", tt.first, tt.last, tt.most, got, tt.want)
		}
	}
	if got := Prefixes(netip.Addr{}, netip.Addr{}, 8); got != nil {
		t.Errorf("no range: %v", got)
	}
}
