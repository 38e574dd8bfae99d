package firewall

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is where a shared scenario runs: the kernel with real packets and the real
// clock, or Memory with a clock that is set forward.
type world struct {
	Table
	drops func(t *testing.T, addr string) bool // UDP to port 5060
	cuts  func(t *testing.T, addr string) bool // UDP to otherPort
	// refuses reports whether TCP to a port is dropped.
	refuses func(t *testing.T, addr string, port uint16) bool
	now     func() time.Time
	wait    func(time.Duration)
	lose    func(t *testing.T) // another program flushes the ruleset
	core    *core
}

func memoryWorld(t *testing.T, cfg Config) *world {
	m := NewMemory(cfg)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dropped := func(addr string, port uint16) bool {
		if slices.Contains(m.model.ports.udp, port) {
			return m.Dropped(netip.MustParseAddr(addr), at)
		}
		return m.CutOff(netip.MustParseAddr(addr), at)
	}
	return &world{
		Table: m,
		drops: func(_ *testing.T, a string) bool { return dropped(a, 5060) },
		cuts:  func(_ *testing.T, a string) bool { return dropped(a, otherPort) },
		refuses: func(_ *testing.T, a string, port uint16) bool {
			if slices.Contains(m.model.ports.tcp, port) {
				return m.Refused(netip.MustParseAddr(a), at)
			}
			return m.CutOff(netip.MustParseAddr(a), at)
		},
		now:  func() time.Time { return at },
		wait: func(d time.Duration) { at = at.Add(d) },
		lose: func(*testing.T) { m.Lose() },
		core: &m.core,
	}
}

func kernelWorld(t *testing.T, cfg Config) *world {
	l := newLab(t)
	cfg.NetNS = l.pbx
	k, err := Open(cfg)
	must(t, err)
	t.Cleanup(func() { k.Close() })
	return &world{
		Table: k,
		drops: func(t *testing.T, a string) bool { return !l.arrives(t, netip.MustParseAddr(a)) },
		cuts:  func(t *testing.T, a string) bool { return !l.arrivesAt(t, l.other, netip.MustParseAddr(a)) },
		refuses: func(t *testing.T, a string, port uint16) bool {
			return !l.connects(t, netip.MustParseAddr(a), port)
		},
		now:  time.Now,
		wait: time.Sleep,
		lose: func(t *testing.T) {
			c := l.conn(t)
			c.FlushRuleset()
			must(t, c.Flush())
		},
		core: &k.core,
	}
}

// both runs a scenario in both worlds.
func both(t *testing.T, cfg Config, scenario func(*testing.T, *world)) {
	t.Helper()
	for name, in := range map[string]func(*testing.T, Config) *world{"memory": memoryWorld, "kernel": kernelWorld} {
		t.Run(name, func(t *testing.T) {
			w := in(t, cfg)
			scenario(t, w)
			if found, err := w.Verify(w.now()); !errors.Is(err, ErrClosed) && err != nil || len(found) != 0 {
				t.Errorf("the table differs from the mirror at the end: %q %v", found, err)
			}
		})
	}
}

// rebuild makes a table anew with the bans it has.
func rebuild(t testing.TB, k Table) {
	t.Helper()
	k.Invalidate()
	must(t, k.Reconcile(time.Now(), k.Bans(time.Now())))
}

// ban bans for a time; 0 is forever.
func (w *world) ban(t *testing.T, d time.Duration, prefixes ...string) {
	t.Helper()
	now := w.now()
	must(t, w.Ban(now, w.bans(now, d, prefixes...)...))
}

func (w *world) bans(now time.Time, d time.Duration, prefixes ...string) []Ban {
	var out []Ban
	for _, p := range prefixes {
		b := Ban{Prefix: netip.MustParsePrefix(p)}
		if d != 0 {
			b.Until = now.Add(d)
		}
		out = append(out, b)
	}
	return out
}

// suspect bans with scope SIP.
func (w *world) suspect(t *testing.T, d time.Duration, prefixes ...string) {
	t.Helper()
	w.banScope(t, SIP, d, prefixes...)
}

func (w *world) banScope(t *testing.T, scope Scope, d time.Duration, prefixes ...string) {
	t.Helper()
	now := w.now()
	bans := w.bans(now, d, prefixes...)
	for i := range bans {
		bans[i].Scope = scope
	}
	must(t, w.Ban(now, bans...))
}

func (w *world) release(t *testing.T, prefixes ...string) {
	t.Helper()
	var ps []netip.Prefix
	for _, p := range prefixes {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	must(t, w.Release(ps...))
}

func (w *world) expect(t *testing.T, dropped bool, addrs ...string) {
	t.Helper()
	for _, a := range addrs {
		if got := w.drops(t, a); got != dropped {
			t.Errorf("%s: dropped %v, want %v", a, got, dropped)
		}
	}
}

// inForce returns the banned prefixes in order.
func (w *world) inForce() []string {
	var out []string
	for _, b := range w.Bans(w.now()) {
		out = append(out, b.Prefix.String())
	}
	slices.Sort(out)
	return out
}

func TestBan(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.expect(t, false, "198.51.100.7", "2001:db8:a::7")
		w.ban(t, time.Hour, "198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128")
		w.expect(t, true, "198.51.100.7", "2001:db8:a::7", "2001:db8:a:0:ffff:ffff:ffff:ffff", "2001:db8:b::7")
		w.expect(t, false, "198.51.100.8", "198.51.100.6", "2001:db8:a:1::7", "2001:db8:9:ffff::7", "2001:db8:b::8")
		w.release(t, "198.51.100.7/32", "2001:db8:a::/64", "203.0.113.1/32", "203.0.113.0/24")
		w.expect(t, false, "198.51.100.7", "2001:db8:a::7")
		w.expect(t, true, "2001:db8:b::7")
	})
}

// A ban with scope SIP closes the SIP ports over UDP and nothing else.
func TestScope(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		both := []string{"198.51.100.7", "2001:db8:a::7"}
		is := func(sip, rest bool) {
			t.Helper()
			for _, a := range both {
				if d, c := w.drops(t, a), w.cuts(t, a); d != sip || c != rest {
					t.Errorf("%s: SIP dropped %v, the rest %v; want %v and %v", a, d, c, sip, rest)
				}
			}
		}
		w.suspect(t, time.Hour, "198.51.100.7/32", "2001:db8:a::/64")
		is(true, false)
		w.expect(t, false, "198.51.100.8", "2001:db8:a:1::7")
		w.suspect(t, 300*time.Millisecond, "198.51.100.7/32", "2001:db8:a::/64")
		w.wait(500 * time.Millisecond)
		is(false, false)
		w.suspect(t, time.Hour, "198.51.100.7/32", "2001:db8:a::/64")
		w.ban(t, 2*time.Hour, "198.51.100.7/32", "2001:db8:a::/64") // a whole ban takes its setKey
		is(true, true)
		if got := w.inForce(); !slices.Equal(got, []string{"198.51.100.7/32", "2001:db8:a::/64"}) {
			t.Errorf("in force: %v", got)
		}
		w.suspect(t, time.Hour, "198.51.100.7/32", "2001:db8:a::/64") // and back
		is(true, false)
		now := w.now()
		must(t, w.Reconcile(now, w.bans(now, time.Hour, "198.51.100.7/32", "2001:db8:a::/64")))
		is(true, true)
		w.suspect(t, time.Hour, "198.51.100.7/32", "2001:db8:a::/64")
		now = w.now()
		w.Invalidate()
		must(t, w.Reconcile(now, w.Bans(now)))
		is(true, false)
		w.release(t, "198.51.100.7/32", "2001:db8:a::/64")
		is(false, false)
	})
}

// A ban with scope Asterisk closes all of Asterisk's ports, over UDP and TCP, and
// nothing else: SSH stays open. It can take the place of any other ban, and any other
// can take its place.
func TestScopeAsterisk(t *testing.T) {
	both(t, Config{SIPPorts: []uint16{5060}, TCPPorts: []uint16{5060, 8089, 5038}}, func(t *testing.T, w *world) {
		bans := []string{"198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128", "203.0.113.0/24", "2001:db8:c::/48"}
		in := []string{"198.51.100.7", "2001:db8:a::7", "2001:db8:b::7", "203.0.113.9", "2001:db8:c:1::9"}
		is := func(when string, addrs []string, udp, tcp, rest bool) {
			t.Helper()
			for _, a := range addrs {
				if got := w.drops(t, a); got != udp {
					t.Errorf("%s: %s: SIP over UDP dropped: %v", when, a, got)
				}
				for _, port := range []uint16{5060, 8089, 5038} {
					if got := w.refuses(t, a, port); got != tcp {
						t.Errorf("%s: %s: TCP port %d dropped: %v", when, a, port, got)
					}
				}
				if ssh, other := w.refuses(t, a, 22), w.cuts(t, a); ssh != rest || other != rest {
					t.Errorf("%s: %s: SSH dropped: %v, other UDP ports: %v", when, a, ssh, other)
				}
			}
		}
		w.banScope(t, Asterisk, time.Hour, bans...)
		is("banned", in, true, true, false)
		is("neighbours", []string{"198.51.100.8", "2001:db8:b::8", "203.0.114.1"}, false, false, false)
		now := w.now()
		w.Invalidate()
		must(t, w.Reconcile(now, w.Bans(now)))
		is("rebuilt", in, true, true, false)
		w.ban(t, 2*time.Hour, bans...)
		is("second offence", in, true, true, true)
		w.banScope(t, Asterisk, time.Hour, bans...)
		is("and back", in, true, true, false)
		w.suspect(t, time.Hour, bans...)
		is("spoofable", in, true, false, false)
		w.banScope(t, Asterisk, time.Hour, bans...)
		is("proven", in, true, true, false)
		if got := w.inForce(); len(got) != len(bans) {
			t.Errorf("in force: %v", got)
		}
		now = w.now()
		must(t, w.Reconcile(now, w.bans(now, time.Hour, bans...)))
		is("reconciled to everything", in, true, true, true)
		w.release(t, bans...)
		is("released", in, false, false, false)

		w.banScope(t, Asterisk, time.Hour, bans...)
		w.ban(t, time.Hour, "198.51.100.0/24")
		is("inside a ban of everything", in[:1], true, true, true)
		w.release(t, "198.51.100.0/24")
		must(t, w.SetPorts([]uint16{5060}, []uint16{22}))
		if !w.refuses(t, in[0], 22) || w.refuses(t, in[0], 8089) || !w.drops(t, in[0]) {
			t.Error("other TCP ports are not in force")
		}
		must(t, w.SetPorts([]uint16{5060}, nil))
		if w.refuses(t, in[0], 22) || !w.drops(t, in[0]) {
			t.Error("without TCP ports")
		}
		w.banScope(t, Asterisk, 300*time.Millisecond, bans...)
		w.wait(500 * time.Millisecond)
		is("over", in[:1], false, false, false)
	})
}

// Scope SIP closes networks, too, around and inside other bans of both scopes.
func TestScopeOfNetworks(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		is := func(addr string, sip, rest bool) {
			t.Helper()
			if d, c := w.drops(t, addr), w.cuts(t, addr); d != sip || c != rest {
				t.Errorf("%s: SIP dropped %v, the rest %v; want %v and %v", addr, d, c, sip, rest)
			}
		}
		w.suspect(t, time.Hour, "198.51.100.0/24", "2001:db8:a::/48", "2001:db8:b:ff00::/56", "2001:db8:c::7/128")
		for _, a := range []string{"198.51.100.7", "2001:db8:a:1::7", "2001:db8:b:ff01::1", "2001:db8:c::7"} {
			is(a, true, false)
		}
		for _, a := range []string{"198.51.101.7", "2001:db8:b::1", "2001:db8:c::8"} {
			is(a, false, false)
		}
		w.ban(t, time.Hour, "198.51.100.7/32", "198.51.100.128/25") // inside, entirely
		is("198.51.100.7", true, true)
		is("198.51.100.200", true, true)
		is("198.51.100.8", true, false)
		w.release(t, "198.51.100.7/32", "198.51.100.128/25")
		is("198.51.100.7", true, false)
		w.ban(t, 2*time.Hour, "198.51.100.0/24") // a whole ban takes its place
		is("198.51.100.8", true, true)
		w.suspect(t, time.Hour, "198.51.100.0/24") // and back
		is("198.51.100.8", true, false)
		if got, want := w.inForce(), []string{"198.51.100.0/24", "2001:db8:a::/48", "2001:db8:b:ff00::/56", "2001:db8:c::7/128"}; !slices.Equal(got, want) {
			t.Errorf("in force: %v", got)
		}
		w.lose(t)
		now := w.now()
		must(t, w.Reconcile(now, w.Bans(now)))
		is("198.51.100.8", true, false)
		must(t, w.Reconcile(now, w.bans(now, time.Hour, "198.51.100.0/24")))
		is("198.51.100.8", true, true)
		is("2001:db8:a:1::7", false, false)
		w.suspect(t, 300*time.Millisecond, "198.51.100.0/24")
		w.wait(500 * time.Millisecond)
		is("198.51.100.8", false, false)
	})
}

// Scope SIP closes the ports that are set while it runs, and Verify and Reconcile
// know them; bans of everything stay in force.
func TestSetPorts(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		spoofed, banned := []string{"198.51.100.7", "2001:db8:a::7"}, "198.51.100.8"
		w.suspect(t, time.Hour, "198.51.100.7/32", "2001:db8:a::/64")
		w.ban(t, time.Hour, "198.51.100.8/32")
		closed := func(when string, sip, other bool) {
			t.Helper()
			for _, a := range spoofed {
				if s, o := w.drops(t, a), w.cuts(t, a); s != sip || o != other {
					t.Errorf("%s: %s: port 5060 closed %v, port %d closed %v; want %v and %v", when, a, s, otherPort, o, sip, other)
				}
			}
			if !w.drops(t, banned) || !w.cuts(t, banned) {
				t.Errorf("%s: a ban of everything is not in force", when)
			}
			if found, err := w.Verify(w.now()); err != nil || len(found) > 0 {
				t.Errorf("%s: %q, %v", when, found, err)
			}
		}
		closed("at first", true, false)
		must(t, w.SetPorts([]uint16{otherPort, otherPort}, nil))
		closed("on another port", false, true)
		must(t, w.Reconcile(w.now(), w.Bans(w.now())))
		closed("reconciled", false, true)
		w.Invalidate()
		must(t, w.Reconcile(w.now(), w.Bans(w.now())))
		closed("rebuilt", false, true)
		for _, ports := range [][]uint16{nil, {0}, {5060, 0}, make([]uint16, MaxSIPPorts+1)} {
			if err := w.SetPorts(ports, nil); !errors.Is(err, ErrInvalid) {
				t.Errorf("ports %v: %v", ports, err)
			}
		}
		closed("after invalid ports", false, true)
		must(t, w.SetPorts([]uint16{5060, otherPort}, nil))
		closed("on both", true, true)
		many := []uint16{5060, otherPort}
		for port := uint16(20000); len(many) < MaxSIPPorts; port++ {
			many = append(many, port)
		}
		must(t, w.SetPorts(many, many))
		closed("on as many as can be", true, true)
		w.lose(t)
		if err := w.SetPorts([]uint16{5061, otherPort}, nil); !errors.Is(err, ErrLost) {
			t.Errorf("of a lost table: %v", err)
		}
		must(t, w.Reconcile(w.now(), w.Bans(w.now())))
		closed("after a loss", false, true)
		must(t, w.Close())
		if err := w.SetPorts([]uint16{5060}, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestBanEnds(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.ban(t, 300*time.Millisecond, "198.51.100.7/32", "2001:db8:a::/64", "203.0.113.0/24")
		w.ban(t, 0, "198.51.100.8/32")
		w.expect(t, true, "198.51.100.7", "2001:db8:a::7", "203.0.113.9", "198.51.100.8")
		w.wait(500 * time.Millisecond)
		w.expect(t, false, "198.51.100.7", "2001:db8:a::7", "203.0.113.9")
		w.expect(t, true, "198.51.100.8")
		if got := w.inForce(); !slices.Equal(got, []string{"198.51.100.8/32"}) {
			t.Errorf("in force: %v", got)
		}
		// They ended a moment ago: banning them again is a new ban.
		w.ban(t, time.Hour, "198.51.100.7/32", "203.0.113.0/25", "2001:db8:a::/64")
		w.expect(t, true, "198.51.100.7", "2001:db8:a::7", "203.0.113.9")
		w.expect(t, false, "203.0.113.200")
	})
}

func TestBanAgain(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		all := []string{"198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128", "203.0.113.0/24", "2001:db8:c::/48"}
		one := []string{"198.51.100.7", "2001:db8:a::1", "2001:db8:b::7", "203.0.113.9", "2001:db8:c:1::1"}
		w.ban(t, 400*time.Millisecond, all...)
		w.ban(t, time.Hour, all...) // longer
		w.wait(600 * time.Millisecond)
		w.expect(t, true, one...)
		w.ban(t, 0, all...) // forever
		w.expect(t, true, one...)
		w.ban(t, 300*time.Millisecond, all...) // shorter: as given
		w.expect(t, true, one...)
		w.wait(500 * time.Millisecond)
		w.expect(t, false, one...)
		w.ban(t, time.Hour, all...)
		w.ban(t, -time.Second, all...) // over already
		w.expect(t, false, one...)
		if got := w.inForce(); len(got) != 0 {
			t.Errorf("in force: %v", got)
		}
	})
}

func TestPrefixes(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "198.51.100.9/32")
		w.ban(t, 2*time.Hour, "198.51.100.0/24") // over a banned host
		w.ban(t, time.Hour, "198.51.100.7/32")   // a host inside
		w.expect(t, true, "198.51.100.0", "198.51.100.7", "198.51.100.9", "198.51.100.255")
		w.expect(t, false, "198.51.99.255", "198.51.101.0")
		w.release(t, "198.51.100.7/32")
		w.expect(t, true, "198.51.100.7")
		w.release(t, "198.51.100.0/24")
		w.expect(t, true, "198.51.100.9")
		w.expect(t, false, "198.51.100.7", "198.51.100.1")

		// Nested, with different ends; the inner one outlives the outer.
		w.ban(t, 400*time.Millisecond, "10.0.0.0/8")
		w.ban(t, time.Hour, "10.1.0.0/16", "10.1.2.0/24")
		w.ban(t, 200*time.Millisecond, "10.2.0.0/16") // and one that does not
		w.expect(t, true, "10.0.0.1", "10.1.0.1", "10.1.2.3", "10.2.0.1", "10.255.255.255")
		w.wait(600 * time.Millisecond)
		w.expect(t, false, "10.0.0.1", "10.2.0.1", "10.255.255.255")
		w.expect(t, true, "10.1.0.1", "10.1.2.3")

		// Adjacent, then joined, then cut.
		w.ban(t, time.Hour, "203.0.113.0/25", "203.0.113.128/25", "203.0.112.0/24")
		w.expect(t, true, "203.0.112.0", "203.0.113.0", "203.0.113.127", "203.0.113.128", "203.0.113.255")
		w.release(t, "203.0.113.0/25")
		w.expect(t, true, "203.0.112.255", "203.0.113.128")
		w.expect(t, false, "203.0.113.0", "203.0.113.127", "203.0.114.0")

		w.ban(t, time.Hour, "2001:db8:a::/48", "2001:db8:a:b0::/60", "2001:db8:a:bb::/64", "2001:db8:a:c::7/128", "2001:db8:d::/80")
		w.release(t, "2001:db8:a::/48")
		w.expect(t, true, "2001:db8:a:b0::1", "2001:db8:a:bb::1", "2001:db8:a:c::7", "2001:db8:d::1")
		w.expect(t, false, "2001:db8:a:c::8", "2001:db8:a:ff::1", "2001:db8:d:0:1::1")
	})
}

func TestEverything(t *testing.T) {
	both(t, Config{Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("fe80::/10")}}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "0.0.0.0/0", "128.0.0.0/1")
		w.expect(t, true, "1.2.3.4", "203.0.113.1", "223.255.255.254")
		w.expect(t, false, "198.51.100.7", "2001:db8:a::1")
		w.release(t, "0.0.0.0/0")
		w.expect(t, true, "203.0.113.1", "223.255.255.254")
		w.expect(t, false, "1.2.3.4")
		w.ban(t, 0, "0.0.0.0/0")
		w.ban(t, 0, "0.0.0.0/0", "0.0.0.0/1")
		w.expect(t, true, "1.2.3.4", "203.0.113.1")
		w.release(t, "128.0.0.0/1", "0.0.0.0/1", "0.0.0.0/0")
		w.expect(t, false, "1.2.3.4", "203.0.113.1")
		w.ban(t, time.Hour, "8000::/1", "::/0")
		w.expect(t, true, "2001:db8:a::1")
		w.release(t, "::/0")
		w.expect(t, false, "2001:db8:a::1")
	})
}

func TestAllow(t *testing.T) {
	office := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28"), netip.MustParsePrefix("198.51.100.3/32"), netip.MustParsePrefix("2001:db8:a:0:1::/80")}
	both(t, Config{Allow: office}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "198.51.100.0/24", "198.51.100.3/32", "2001:db8:a::/64", "2001:db8:a:0:1::5/128")
		w.expect(t, false, "198.51.100.3", "198.51.100.15", "2001:db8:a:0:1::5")
		w.expect(t, true, "198.51.100.16", "2001:db8:a::1")
		must(t, w.Allow([]netip.Prefix{netip.MustParsePrefix("198.51.100.16/32"), netip.MustParsePrefix("::ffff:198.51.100.18/127")}))
		w.expect(t, true, "198.51.100.3", "2001:db8:a:0:1::5")
		w.expect(t, false, "198.51.100.16", "198.51.100.18", "198.51.100.19")
		must(t, w.Allow(nil))
		w.expect(t, true, "198.51.100.16")
	})
}

func TestReconcile(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "198.51.100.1/32", "198.51.100.2/32", "10.0.0.0/8", "10.1.0.0/16", "2001:db8:a::/64")
		now := w.now()
		must(t, w.Reconcile(now, append(
			w.bans(now, time.Hour, "198.51.100.2/32", "198.51.100.3/32", "10.1.0.0/16", "11.0.0.0/8", "2001:db8:b::/64"),
			w.bans(now, -time.Second, "198.51.100.4/32")...)))
		w.expect(t, true, "198.51.100.2", "198.51.100.3", "10.1.0.1", "11.0.0.1", "2001:db8:b::1")
		w.expect(t, false, "198.51.100.1", "198.51.100.4", "10.0.0.1", "2001:db8:a::1")
		want := []string{"10.1.0.0/16", "11.0.0.0/8", "198.51.100.2/32", "198.51.100.3/32", "2001:db8:b::/64"}
		if got := w.inForce(); !slices.Equal(got, want) {
			t.Errorf("in force: %v, want %v", got, want)
		}
		must(t, w.Reconcile(w.now(), nil))
		w.expect(t, false, "198.51.100.2", "198.51.100.3", "10.1.0.1", "11.0.0.1", "2001:db8:b::1")
	})
}

// If a prefix occurs twice its last ban counts, also across scopes and if it has
// ended.
func TestReconcileTakesTheLast(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		now := w.now()
		one := func(scope Scope, d time.Duration) Ban {
			return Ban{Prefix: netip.MustParsePrefix("198.51.100.7/32"), Until: now.Add(d), Scope: scope}
		}
		for _, tc := range []struct {
			bans      []Ban
			sip, rest bool
		}{
			{[]Ban{one(SIP, time.Hour), one(All, time.Hour)}, true, true},
			{[]Ban{one(All, time.Hour), one(SIP, time.Hour)}, true, false},
			{[]Ban{one(All, time.Hour), one(All, -time.Hour)}, false, false},
			{[]Ban{one(SIP, -time.Hour), one(All, time.Hour)}, true, true},
		} {
			must(t, w.Reconcile(now, tc.bans))
			if sip, rest := w.drops(t, "198.51.100.7"), w.cuts(t, "198.51.100.7"); sip != tc.sip || rest != tc.rest {
				t.Errorf("%v: SIP dropped %v, the rest %v", tc.bans, sip, rest)
			}
		}
	})
}

// An element is left alone, with its hits, if its end is nearly the wanted one.
func TestReconcileLeavesAlone(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		all := []string{"198.51.100.7/32", "198.51.100.8/32", "203.0.113.0/24"}
		w.ban(t, time.Hour, all...)
		w.expect(t, true, "198.51.100.7", "198.51.100.8", "203.0.113.9")
		now := w.now()
		must(t, w.Reconcile(now, append(
			w.bans(now, time.Hour+900*time.Millisecond, "198.51.100.7/32", "203.0.113.0/24"), w.bans(now, time.Hour+10*time.Second, "198.51.100.8/32")...)))
		if got := w.hits(t, All, all...); got[0] == 0 || got[1] != 0 || got[2] == 0 {
			t.Errorf("%v hits after Reconcile, want those of the second alone to be gone", got)
		}
	})
}

// Whatever was done to the table, Reconcile brings it back, and the allow list
// with it.
func TestReconcileRebuilds(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")}
	for name, damage := range map[string]func(*testing.T, *world){
		"lost":            func(t *testing.T, w *world) { w.lose(t) },
		"lost and unread": func(t *testing.T, w *world) { w.lose(t); w.core.unread[hosts4] = true },
		"invalidated":     func(_ *testing.T, w *world) { w.Invalidate() },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, Config{Allow: allow}, func(t *testing.T, w *world) {
				w.ban(t, time.Hour, "198.51.100.7/32", "198.51.100.8/32", "203.0.113.0/24")
				w.expect(t, true, "198.51.100.7")
				damage(t, w)
				now := w.now()
				must(t, w.Reconcile(now, w.bans(now, time.Hour, "198.51.100.7/32", "203.0.113.0/24")))
				w.expect(t, true, "198.51.100.7", "203.0.113.8")
				w.expect(t, false, "198.51.100.8", "203.0.113.7")
				if n := w.hits(t, All, "198.51.100.7/32")[0]; n > 5 {
					t.Errorf("%d hits in a rebuilt table", n)
				}
				// From here on only what differs changes.
				before := w.hits(t, All, "198.51.100.7/32")[0]
				must(t, w.Reconcile(now, w.bans(now, time.Hour, "198.51.100.7/32")))
				if n := w.hits(t, All, "198.51.100.7/32")[0]; n != before {
					t.Errorf("rebuilt once more: %d hits, then %d", before, n)
				}
			})
		})
	}
}

// forget makes a set look as if Open had not read it.
func (w *world) forget(ids ...setID) {
	empty := newMirror()
	for _, id := range ids {
		w.core.mirror.adopt(id, &empty)
		w.core.unread[id] = true
	}
}

// Sets that were not read hold what is wanted and nothing else afterwards,
// whatever was banned in them since.
func TestReconcileUnread(t *testing.T) {
	scoped := func(bans []Ban) []Ban {
		for i := range bans {
			bans[i].Scope = SIP
		}
		return bans
	}
	for name, unread := range map[string][]setID{"hosts4": {hosts4}, "sip4": {sip4}, "both": {hosts4, sip4}, "all": {hosts4, slash64, hosts6, sip4, sip64}} {
		t.Run(name, func(t *testing.T) {
			both(t, Config{}, func(t *testing.T, w *world) {
				w.ban(t, time.Hour, "198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32", "2001:db8:a::/64", "203.0.113.0/24")
				w.suspect(t, time.Hour, "198.51.100.11/32", "198.51.100.12/32", "198.51.100.13/32")
				w.forget(unread...)
				w.ban(t, time.Hour, "198.51.100.4/32")
				now := w.now()
				must(t, w.Reconcile(now, append(
					w.bans(now, time.Hour, "198.51.100.1/32", "198.51.100.12/32", "2001:db8:a::/64", "203.0.113.0/24"),
					scoped(w.bans(now, time.Hour, "198.51.100.2/32", "198.51.100.11/32"))...)))
				for a, want := range map[string][2]bool{ // SIP, the rest
					"198.51.100.1": {true, true}, "198.51.100.2": {true, false}, "198.51.100.3": {}, "198.51.100.4": {},
					"198.51.100.11": {true, false}, "198.51.100.12": {true, true}, "198.51.100.13": {},
					"2001:db8:a::1": {true, true}, "203.0.113.1": {true, true},
				} {
					if got := [2]bool{w.drops(t, a), w.cuts(t, a)}; got != want {
						t.Errorf("%s: dropped %v, want %v", a, got, want)
					}
				}
				if got := w.inForce(); len(got) != 6 || w.core.unread != [setCount]bool{} {
					t.Errorf("in force: %v; unread: %v", got, w.core.unread)
				}
				w.release(t, "198.51.100.1/32", "198.51.100.11/32")
				w.expect(t, false, "198.51.100.1", "198.51.100.11")
			})
		})
	}
}

// A full table can still be reconciled with entirely different bans.
func TestReconcileWhenFull(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.core.maxHosts[All] = 2
		w.ban(t, time.Hour, "198.51.100.1/32", "198.51.100.2/32")
		now := w.now()
		must(t, w.Reconcile(now, w.bans(now, time.Hour, "198.51.100.3/32", "198.51.100.4/32")))
		w.expect(t, true, "198.51.100.3", "198.51.100.4")
		w.expect(t, false, "198.51.100.1", "198.51.100.2")
		many := append(w.bans(now, time.Hour, "198.51.100.5/32"), w.bans(now, 2*time.Hour, "198.51.100.6/32", "198.51.100.7/32")...)
		if err := w.Reconcile(now, many); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "1 bans left out") {
			t.Errorf("too many: %v", err)
		}
		w.expect(t, true, "198.51.100.6", "198.51.100.7")
		w.expect(t, false, "198.51.100.3", "198.51.100.5")
	})
}

// What does not fit of one kind leaves the others alone.
func TestTooManyPrefixes(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		now := w.now()
		many := append(manyPrefixes(MaxPrefixes+100, now.Add(time.Hour)), w.bans(now, time.Minute, "198.51.100.1/32")...)
		many = append(many, w.bans(now, 2*time.Hour, "198.51.100.128/25")...)
		if err := w.Reconcile(now, many); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "101 bans left out") {
			t.Errorf("too many: %v", err)
		}
		w.expect(t, true, "198.51.100.1", "198.51.100.200")
		w.ban(t, time.Hour, "198.51.100.2/32")
		w.expect(t, true, "198.51.100.2")
		must(t, w.Reconcile(now, many[len(many)-2:]))
		w.expect(t, true, "198.51.100.1", "198.51.100.200")
	})
}

func TestRefused(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		good := Ban{Prefix: netip.MustParsePrefix("198.51.100.7/32")}
		for _, bad := range []netip.Prefix{{}, netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33), netip.MustParsePrefix("::ffff:10.0.0.0/95")} {
			if err := w.Ban(w.now(), good, Ban{Prefix: bad}); !errors.Is(err, ErrInvalid) {
				t.Errorf("ban of %v: %v", bad, err)
			}
			if err := w.Release(bad); !errors.Is(err, ErrInvalid) {
				t.Errorf("release of %v: %v", bad, err)
			}
		}
		w.expect(t, false, "198.51.100.7")
		// Host bits are masked, IPv4-mapped is IPv4, and the last of two counts.
		w.ban(t, time.Hour, "::ffff:198.51.100.7/128", "203.0.113.77/24")
		now := w.now()
		must(t, w.Ban(now, Ban{Prefix: netip.MustParsePrefix("198.51.100.8/32"), Until: now.Add(time.Hour)}, Ban{Prefix: netip.MustParsePrefix("198.51.100.8/32"), Until: now.Add(-time.Hour)}))
		w.expect(t, true, "198.51.100.7", "203.0.113.1")
		w.expect(t, false, "198.51.100.8")
	})
}

func TestMany(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		now := w.now()
		bans := manyBans(10_000, now.Add(time.Hour))
		must(t, w.Ban(now, bans...))
		must(t, w.Ban(now, bans...)) // all of them refreshed
		if got := len(w.Bans(now)); got != len(bans) {
			t.Fatalf("%d in the mirror, want %d", got, len(bans))
		}
		w.expect(t, true, bans[0].Prefix.Addr().String(), bans[5_000].Prefix.Addr().String(), bans[9_999].Prefix.Addr().String())
		must(t, w.Reconcile(now, bans[:5_000]))
		w.expect(t, true, bans[4_999].Prefix.Addr().String())
		w.expect(t, false, bans[5_000].Prefix.Addr().String())
		st, err := w.Stats()
		must(t, err)
		if n := st.Sets[hosts4].Elements; n != 5_000 && n != -1 {
			t.Errorf("%d elements, want 5000", n)
		}
	})
}

// manyBans are n different addresses out of 10.0.0.0/8.
func manyBans(n int, until time.Time) []Ban {
	out := make([]Ban, n)
	for i := range out {
		out[i] = Ban{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(10 + i>>24), byte(i >> 16), byte(i >> 8), byte(i)}), 32), Until: until}
	}
	return out
}

func TestClosed(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "198.51.100.7/32")
		must(t, w.Close())
		must(t, w.Close())
		w.expect(t, true, "198.51.100.7")
		if err := w.Ban(w.now(), Ban{Prefix: netip.MustParsePrefix("198.51.100.8/32")}); !errors.Is(err, ErrClosed) {
			t.Errorf("ban after close: %v", err)
		}
	})
}
