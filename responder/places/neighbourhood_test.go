package places

import (
	"net/netip"
	"testing"
	"time"
)

// An account lives near wherever it was used in the last 90 days, also where its
// address is no longer known.
func TestNear(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	home := netip.MustParseAddr("198.51.100.7")
	for name, tc := range map[string]struct {
		lives func(*Places)
		at    string
		want  bool
	}{
		"nobody":         {func(*Places) {}, "198.51.100.7", false},
		"the address":    {func(p *Places) { p.Succeed([]byte("1001"), netip.PrefixFrom(home, 32), now) }, "198.51.100.7", true},
		"the /16":        {func(p *Places) { p.Succeed([]byte("1001"), netip.PrefixFrom(home, 32), now) }, "198.51.2.3", true},
		"another /16":    {func(p *Places) { p.Succeed([]byte("1001"), netip.PrefixFrom(home, 32), now) }, "198.52.100.7", false},
		"mapped to IPv6": {func(p *Places) { p.Know("1001", home, now) }, "::ffff:198.51.2.3", true},
		"80 days ago":    {func(p *Places) { p.Know("1001", home, now.Add(-80*day)) }, "198.51.2.3", true},
		"90 days ago":    {func(p *Places) { p.Know("1001", home, now.Add(-90*day)) }, "198.51.2.3", false},
		"IPv6":           {func(p *Places) { p.Know("1001", netip.MustParseAddr("2001:db8:1::1"), now) }, "2001:db8:ffff::1", true},
		"another /32":    {func(p *Places) { p.Know("1001", netip.MustParseAddr("2001:db8:1::1"), now) }, "2001:db9:1::1", false},
		"a thief": {func(p *Places) {
			p.MarkThief([]byte("1001"), netip.PrefixFrom(home, 32), now, false)
			p.Succeed([]byte("1001"), netip.PrefixFrom(home, 32), now)
		}, "198.51.100.7", false},
		"a home of a former run": {func(p *Places) {
			p.RestoreNetwork(now, Network{"1001", netip.MustParsePrefix("198.51.100.0/24"), now.Add(-70 * day), now.Add(-60 * day)})
		}, "198.51.2.3", true},
		"a call from there, once": {func(p *Places) { p.UseNetwork(now, "1001", home) }, "198.51.2.3", false},
	} {
		p := New(Config{}, nil)
		tc.lives(p)
		if got := p.Near(now, netip.MustParseAddr(tc.at)); got != tc.want {
			t.Errorf("%s: near %t, want %t", name, got, tc.want)
		}
	}
}

// Whoever has very many places fills no more than the room there is, and the
// oldest go.
func TestNeighbourhoodsAreBounded(t *testing.T) {
	var learned int
	p := New(Config{NeighbourhoodLearned: func(netip.Prefix, time.Time) { learned++ }}, nil)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const more = 5
	for i := range maxNeighbourhoods + more {
		p.Lived(netip.AddrFrom16([16]byte{0x20, byte(i >> 16), byte(i >> 8), byte(i)}), now.Add(time.Duration(i)*time.Millisecond))
	}
	for range 3 { // known by now
		now = now.Add(time.Hour)
		p.Lived(netip.AddrFrom16([16]byte{0x20, 0, 0x80, 0}), now)
	}
	if len(p.lived) != maxNeighbourhoods || learned != maxNeighbourhoods+more {
		t.Errorf("%d neighbourhoods, %d learned", len(p.lived), learned)
	}
	if p.Near(now, netip.AddrFrom16([16]byte{0x20})) || !p.Near(now, netip.AddrFrom16([16]byte{0x20, 0, 0, more})) {
		t.Error("not the oldest went")
	}
}
