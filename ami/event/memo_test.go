package event

import "testing"

// A memo parses a value like the plain parser, whatever it parsed before.
func TestMemoDoesNotChangeResults(t *testing.T) {
	times := []string{
		"2026-11-22T03:04:05.678+0000", "2026-11-22T03:04:05.001+0000", "2026-11-22T03:04:05.-01+0000",
		"2026-11-22T03:04:05.678+0100", "2026-11-22T03:04:06.678+0000", "2026-11-22T03:04:05.67x+0000",
		"2026-11-22T03:04:05.6780000", "2026-11-22T03:04:05.678-0000", "2026-11-22T03:04:05.67+0000", "", "x",
	}
	addresses := []string{
		"IPV4/UDP/192.0.2.1/5060", "IPV4/UDP/192.0.2.1/5061", "IPV4/TCP/192.0.2.1/5060", "IPV4/192.0.2.1/5060",
		"IPV4/UDP/192.0.2.1/506", "IPV4/UDP/192.0.2.1/50601", "IPV6/WSS/2001:db8::1/5060", "", "IPV4/UDP/192.0.2.1",
		"IPV6/WSS/ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/65535",
	}
	var m memo
	for _, before := range times {
		for _, v := range times {
			m.second.parse([]byte(before))
			got, ok := m.second.parse([]byte(v))
			want, wantOK := parseTime([]byte(v))
			if !got.Equal(want) || ok != wantOK {
				t.Errorf("%q after %q: %s, %v, want %s, %v", v, before, got, ok, want, wantOK)
			}
		}
	}
	for _, before := range addresses {
		for _, v := range addresses {
			m.remote.parse([]byte(before))
			got, transport, ok := m.remote.parse([]byte(v))
			want, wantTransport, wantOK := ParseAddress([]byte(v))
			if got != want || transport != wantTransport || ok != wantOK {
				t.Errorf("%q after %q: %s, %s, %v, want %s, %s, %v", v, before, got, transport, ok, want, wantTransport, wantOK)
			}
		}
	}
}
