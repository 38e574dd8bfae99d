package firewall

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ban(p string, until time.Time) Ban { return Ban{Prefix: netip.MustParsePrefix(p), Until: until} }

// When the kernel rejects a change nothing changes, in the mirror either.
func TestFailureChangesNothing(t *testing.T) {
	m := NewMemory(Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, m.Ban(noon, ban("198.51.100.7/32", noon.Add(time.Hour)), ban("10.0.0.0/8", time.Time{})))
	before, mirror := m.Dump(), sortedBans(m, noon)
	broken := errors.New("broken")
	m.Fail(broken)
	for name, err := range map[string]error{
		"ban":       m.Ban(noon, ban("198.51.100.8/32", time.Time{}), ban("198.51.100.7/32", time.Time{}), ban("10.0.0.0/9", noon.Add(time.Hour))),
		"release":   m.Release(netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("10.0.0.0/8")),
		"reconcile": m.Reconcile(noon, []Ban{ban("198.51.100.9/32", time.Time{})}),
		"allow":     m.Allow([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}),
		"remove":    m.Remove(),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if m.Dump() != before || !slices.Equal(sortedBans(m, noon), mirror) {
		t.Errorf("changed:\n%s", m.Dump())
	}
	m.Fail(nil)
	must(t, m.Ban(noon, ban("198.51.100.8/32", time.Time{})))
	if !m.Dropped(netip.MustParseAddr("198.51.100.8"), noon) {
		t.Error("not dropped once it works again")
	}
}

func sortedBans(m *Memory, now time.Time) []Ban {
	out := m.Bans(now)
	slices.SortFunc(out, func(a, b Ban) int { return strings.Compare(a.Prefix.String(), b.Prefix.String()) })
	return out
}

func TestDump(t *testing.T) {
	m := NewMemory(Config{Name: "pbx", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, m.Ban(noon, ban("198.51.100.7/32", noon.Add(time.Hour)), ban("2001:db8:a::/64", time.Time{}), ban("10.0.0.0/8", noon.Add(time.Hour)), ban("10.1.0.0/16", time.Time{})))
	must(t, m.Ban(noon, Ban{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Until: noon.Add(time.Hour), Scope: SIP}, Ban{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Scope: Asterisk}))
	want := `table inet pbx {
	set allow4 {
		127.0.0.0-127.255.255.255
	}
	set allow6 {
	}
	set hosts4 {
		198.51.100.7 until 2026-03-01T13:00:00Z
	}
	set slash64 {
		2001:db8:a::
	}
	set hosts6 {
	}
	set prefixes4 {
		10.0.0.0-10.0.255.255 until 2026-03-01T13:00:00Z
		10.1.0.0-10.1.255.255
		10.2.0.0-10.255.255.255 until 2026-03-01T13:00:00Z
	}
	set prefixes6 {
	}
	set sip4 {
	}
	set sip64 {
	}
	set sipnets4 {
		192.0.2.0-192.0.2.255 until 2026-03-01T13:00:00Z
	}
	set sipnets6 {
	}
	set asterisk4 {
		192.0.2.1
	}
	set asterisk64 {
	}
	set asterisknets4 {
	}
	set asterisknets6 {
	}
`
	if got, _, _ := strings.Cut(m.Dump(), "\tchain"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLose(t *testing.T) {
	m := NewMemory(Config{})
	must(t, m.Ban(noon, ban("198.51.100.7/32", time.Time{}), ban("198.51.100.8/32", noon.Add(time.Hour))))
	m.Lose()
	addr := netip.MustParseAddr("198.51.100.7")
	if m.Dropped(addr, noon) {
		t.Error("dropped by a lost table")
	}
	if err := m.Ban(noon, ban("198.51.100.9/32", time.Time{})); !errors.Is(err, ErrLost) {
		t.Errorf("ban: %v", err)
	}
	if found, err := m.Verify(noon); err != nil || len(found) != 1 {
		t.Errorf("verify: %q %v", found, err)
	}
	must(t, m.Reconcile(noon.Add(2*time.Hour), m.Bans(noon)))
	if !m.Dropped(addr, noon) || strings.Contains(m.Dump(), "198.51.100.8") {
		t.Errorf("after Reconcile:\n%s", m.Dump())
	}
}

// The table has a capacity. Ended bans make room; repeating a ban needs none.
func TestCapacity(t *testing.T) {
	m := NewMemory(Config{})
	m.maxHosts = [...]int{All: 10, SIP: 2, Asterisk: 2}
	must(t, m.Ban(noon, manyBans(10, noon.Add(time.Hour))...))
	extra := ban("198.51.100.7/32", time.Time{})
	if err := m.Ban(noon, extra); !errors.Is(err, ErrFull) {
		t.Errorf("ban: %v", err)
	}
	must(t, m.Ban(noon, manyBans(10, noon.Add(2*time.Hour))...))
	must(t, m.Ban(noon.Add(3*time.Hour), extra))
	if got := len(m.Bans(noon.Add(3 * time.Hour))); got != 1 {
		t.Errorf("%d in force", got)
	}
	if err := m.Reconcile(noon.Add(3*time.Hour), manyBans(11, time.Time{})); !errors.Is(err, ErrFull) {
		t.Errorf("reconcile: %v", err)
	}
	// Scope SIP has room of its own only.
	sip := func(p string) Ban { b := ban(p, noon.Add(time.Hour)); b.Scope = SIP; return b }
	m = NewMemory(Config{})
	m.maxHosts = [...]int{All: 10, SIP: 2, Asterisk: 2}
	must(t, m.Ban(noon, manyBans(9, noon.Add(time.Hour))...))
	must(t, m.Ban(noon, sip("198.51.100.1/32"), sip("2001:db8:a::/64")))
	if err := m.Ban(noon, sip("198.51.100.2/32")); !errors.Is(err, ErrFull) {
		t.Errorf("scope SIP: %v", err)
	}
	must(t, m.Ban(noon, sip("198.51.100.1/32")))
	must(t, m.Ban(noon, ban("198.51.100.1/32", time.Time{}))) // moves from one to the other
	must(t, m.Ban(noon, sip("198.51.100.2/32")))
	networks := manyPrefixes(maxSIPPrefixes+1, noon.Add(time.Hour))
	for i := range networks {
		networks[i].Scope = SIP
	}
	if err := m.Ban(noon, networks...); !errors.Is(err, ErrFull) {
		t.Errorf("networks with scope SIP: %v", err)
	}
	must(t, m.Ban(noon, networks[1:]...))
	if err := m.Ban(noon, manyPrefixes(MaxPrefixes+1, time.Time{})...); !errors.Is(err, ErrFull) {
		t.Errorf("prefixes: %v", err)
	}
}

// The mirror forgets ended bans by itself.
func TestMirrorStaysSmall(t *testing.T) {
	m := NewMemory(Config{})
	now := noon
	for i := range 100_000 {
		now = now.Add(time.Second)
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		must(t, m.Ban(now, Ban{Prefix: netip.PrefixFrom(a, 32), Until: now.Add(time.Hour)}))
	}
	if got := m.mirror.hosts(All); got > 2*3_660 {
		t.Errorf("%d in the mirror for 3600 in force", got)
	}
	if got := m.model.len(hosts4); got > 2*3_660 {
		t.Errorf("%d in the model for 3600 in force", got)
	}
}

// After any history of bans, releases, reconciliations, losses and waiting, the
// sets drop exactly what the bans in force say, and the model of the kernel never
// had to reject a batch.
func TestAnyHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	prefix := func() netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(256))})
		if r.IntN(2) == 0 {
			return netip.PrefixFrom(a, 24+r.IntN(9)).Masked()
		}
		b := [16]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, byte(r.IntN(16)), 0, 0, 0, 0, 0, 0, 0, byte(r.IntN(4))}
		return netip.PrefixFrom(netip.AddrFrom16(b), []int{60, 61, 62, 63, 64, 65, 127, 128}[r.IntN(8)]).Masked()
	}
	for range 100 {
		m := NewMemory(Config{})
		m.limit = 1 + r.IntN(5)
		now := noon
		want := map[netip.Prefix]Ban{}
		for range 60 {
			var bans []Ban
			for range r.IntN(6) {
				b := Ban{Prefix: prefix(), Until: now.Add(time.Duration(r.IntN(8)-1) * time.Minute)}
				b.Scope = Scope(r.IntN(int(scopeCount)))
				bans = append(bans, b)
			}
			switch r.IntN(5) {
			case 0:
				p := prefix()
				must(t, m.Release(p))
				delete(want, p)
			case 1:
				rebuilds := m.rebuilds()
				switch r.IntN(8) {
				case 0:
					m.Lose()
					rebuilds++
				case 1:
					m.Invalidate()
					rebuilds++
				case 2:
					(&world{core: &m.core}).forget(hosts4)
				case 3:
					(&world{core: &m.core}).forget(sip4, slash64, asterisk4)
				}
				must(t, m.Reconcile(now, bans))
				if got := m.rebuilds(); got != rebuilds {
					t.Fatalf("%d rebuilds, want %d: a change was rejected", got, rebuilds)
				}
				clear(want)
				fallthrough
			default:
				must(t, m.Ban(now, bans...))
				for _, b := range bans {
					want[b.Prefix] = b
				}
			}
			now = now.Add(time.Duration(r.IntN(60)) * time.Second)
			for range 60 {
				a := prefix().Addr()
				var inForce [scopeCount]bool // by what the packet is
				for p, b := range want {
					if p.Contains(a) && b.Until.After(now) {
						inForce[SIP] = true
						inForce[Asterisk] = inForce[Asterisk] || b.Scope != SIP
						inForce[All] = inForce[All] || b.Scope == All
					}
				}
				if got := [...]bool{All: m.CutOff(a, now), SIP: m.Dropped(a, now), Asterisk: m.Refused(a, now)}; got != inForce {
					t.Fatalf("%s dropped %v, want %v; bans %v\n%s", a, got, inForce, want, m.Dump())
				}
			}
		}
	}
}

func TestConfig(t *testing.T) {
	for name, ok := range map[string]bool{"": true, "tollwarden": true, "pbx_2": true, "Pbx": false, "2pbx": false, "a b": false, "a-b": false, "abcdefghijklmnopqrstuvwxyz0123456": false} {
		if _, err := (Config{Name: name}).normal(); (err == nil) != ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, ports := range [][]uint16{{}, {0}, make([]uint16, MaxSIPPorts+1)} {
		if _, err := (Config{SIPPorts: ports}).normal(); !errors.Is(err, ErrInvalid) {
			t.Errorf("SIP ports %v: %v", ports, err)
		}
	}
	for _, ports := range [][]uint16{{0}, make([]uint16, MaxSIPPorts+1)} {
		if _, err := (Config{TCPPorts: ports}).normal(); !errors.Is(err, ErrInvalid) {
			t.Errorf("TCP ports %v: %v", ports, err)
		}
	}
	if c, err := (Config{TCPPorts: []uint16{}}).normal(); err != nil || len(c.TCPPorts) > 0 {
		t.Errorf("no TCP port: %v, %v", c.TCPPorts, err)
	}
	if _, err := Open(Config{Allow: []netip.Prefix{{}}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("allow list: %v", err)
	}
}
