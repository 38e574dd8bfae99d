package responder

import (
	"net/netip"
	"testing"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// A break-in takes the protection that its account gave, and no other's.
func TestBetrayed(t *testing.T) {
	office, home := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("192.0.2.10")
	trust := newTrust(nil)
	for _, at := range []struct {
		source  netip.Addr
		account string
	}{{office, "1001"}, {office, "1002"}, {office, "1003"}, {home, "1002"}} {
		trust.succeeded(&score.Observation{Source: at.source, Account: []byte(at.account)}, func(Contact, score.Proof) bool { return false })
	}
	says := func(when string, source netip.Addr, want string) {
		t.Helper()
		if got := trust.why(event.SourcePrefix(source)); got != want {
			t.Errorf("%s: %s is protected: %q, want %q", when, source, got, want)
		}
		network := netip.PrefixFrom(source, 24)
		if _, why := trust.holds(network); trust.overlaps(network) != (want != "") || why != want {
			t.Errorf("%s: %s holds %q, want %q", when, network, why, want)
		}
	}
	says("before", office, "registered contact of 1001 and 2 more")
	says("before", home, "registered contact of 1002")
	trust.betrayed("1002")
	says("afterwards", office, "registered contact of 1001 and 1 more")
	says("afterwards", home, "")
}
