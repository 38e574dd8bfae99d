package event

import (
	"net/netip"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct {
		text      string
		want      string // "" means rejected
		transport Transport
	}{
		{"IPV4/UDP/192.0.2.66/43412", "192.0.2.66:43412", UDP},
		{"IPV4/TCP/0.0.0.0/5038", "0.0.0.0:5038", TCP},
		{"IPV4/TLS/192.0.2.66/5061", "192.0.2.66:5061", TLS},
		{"IPV4/WS/192.0.2.66/80", "192.0.2.66:80", WS},
		{"IPV6/WSS/2001:db8::66/443", "[2001:db8::66]:443", WSS},
		{"IPV6/UDP/::1/5060", "[::1]:5060", UDP},
		{"IPV4/192.0.2.66/5060", "192.0.2.66:5060", TransportUnknown},
		{"IPV6/2001:db8::66/5060", "[2001:db8::66]:5060", TransportUnknown},
		{"IPV4/UDP/::ffff:192.0.2.66/5060", "192.0.2.66:5060", UDP},
		{"IPV6/UDP/::ffff:192.0.2.66/5060", "192.0.2.66:5060", UDP},
		{"IPV4/UDP/192.0.2.66/0", "192.0.2.66:0", UDP},
		{"IPV4/UDP/192.0.2.66/65535", "192.0.2.66:65535", UDP},

		{"IPV4/UDP/192.0.2.66/65536", "", 0},
		{"IPV4/UDP/192.0.2.66/05060", "", 0},
		{"IPV4/UDP/192.0.2.66/+5", "", 0},
		{"IPV4/UDP/192.0.2.66/-5", "", 0},
		{"IPV4/UDP/192.0.2.66/", "", 0},
		{"IPV4/UDP/192.0.2.66", "", 0},
		{"IPV4/UDP/192.0.2.66/5060 ", "", 0},
		{"IPV4/UDP/192.0.2.66\r/5060", "", 0},
		{"IPV4/UDP/192.0.2.066/5060", "", 0},
		{"IPV4/UDP/192.0.2/5060", "", 0},
		{"IPV4/UDP/2001:db8::66/5060", "", 0},
		{"IPV6/UDP/192.0.2.66/5060", "", 0},
		{"IPV6/UDP/[2001:db8::66]/5060", "", 0},
		{"IPV6/UDP/fe80::1%eth0/5060", "", 0},
		{"IPV6/UDP/fe80::1%/5060", "", 0},
		{"IPV4/udp/192.0.2.66/5060", "", 0},
		{"IPV4/SCTP/192.0.2.66/5060", "", 0},
		{"IPV4//192.0.2.66/5060", "", 0},
		{"IPV4/UDP/UDP/192.0.2.66/5060", "", 0},
		{"IPV4/UDP/192.0.2.66/5060/5060", "", 0},
		{"IPV5/UDP/192.0.2.66/5060", "", 0},
		{"IPV4/UDP/(null)/(null)", "", 0},
		{"IPV4", "", 0},
		{"", "", 0},
	} {
		got, transport, ok := ParseAddress([]byte(c.text))
		if c.want == "" {
			if ok {
				t.Errorf("%q is parsed as %v", c.text, got)
			}
			continue
		}
		if !ok || got != netip.MustParseAddrPort(c.want) || transport != c.transport {
			t.Errorf("%q = %v %v %v, want %v %v", c.text, got, transport, ok, c.want, c.transport)
		}
	}
}

func TestParseAddressAllocatesNothing(t *testing.T) {
	for _, text := range []string{"IPV4/UDP/192.0.2.66/43412", "IPV6/TLS/2001:db8:1234:5678:9abc:def0:1234:5678/5061"} {
		v := []byte(text)
		if n := testing.AllocsPerRun(100, func() {
			if _, _, ok := ParseAddress(v); !ok {
				t.Fatal("rejected")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"IPV4/UDP/192.0.2.66/43412", "IPV6/WSS/2001:db8::66/443", "IPV4/192.0.2.66/5060",
		"IPV6/UDP/fe80::1%eth0/5060", "IPV4/UDP/::ffff:1.2.3.4/5", "IPV4/UDP//",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		a, transport, ok := ParseAddress(v)
		if !ok {
			if a.IsValid() || transport != TransportUnknown {
				t.Fatalf("%q is rejected but returns %v %v", v, a, transport)
			}
			return
		}
		if !a.IsValid() || a.Addr().Is4In6() || a.Addr().Zone() != "" {
			t.Fatalf("%q gives %v", v, a)
		}
		for _, c := range v {
			if c <= ' ' || c >= 0x7f {
				t.Fatalf("%q is accepted", v)
			}
		}
		again, sameTransport, ok := ParseAddress(written(a, transport))
		if !ok || again != a || sameTransport != transport {
			t.Fatalf("%q gives %v, written again %v", v, a, again)
		}
	})
}

// written returns an address as Asterisk writes it.
func written(a netip.AddrPort, t Transport) []byte {
	v := []byte("IPV6/")
	if a.Addr().Is4() {
		v = []byte("IPV4/")
	}
	if t != TransportUnknown {
		v = append(append(v, t.String()...), '/')
	}
	v = a.Addr().AppendTo(v)
	text := netip.AddrPortFrom(netip.IPv4Unspecified(), a.Port()).String()
	return append(append(v, '/'), text[len("0.0.0.0:"):]...)
}
