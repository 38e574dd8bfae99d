package firewall

import (
	"net/netip"
	"testing"
	"time"
)

// hits are the packets counted for these bans; -1 for one that is not counted.
func (w *world) hits(t *testing.T, scope Scope, prefixes ...string) []int {
	t.Helper()
	bans := w.bans(w.now(), 0, prefixes...)
	for i := range bans {
		bans[i].Scope = scope
	}
	counts, err := w.Hits(bans)
	must(t, err)
	out := make([]int, len(bans))
	for i, b := range bans {
		n, ok := counts[b.Prefix]
		if out[i] = int(n); !ok {
			out[i] = -1
		}
	}
	return out
}

// Each ban counts the packets it dropped, and no others.
func TestHits(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		all := []string{"198.51.100.7/32", "2001:db8:a::/64", "2001:db8:b::7/128", "203.0.113.0/24", "2001:db8:c::/48"}
		one := []string{"198.51.100.7", "2001:db8:a::1", "2001:db8:b::7", "203.0.113.9", "2001:db8:c:1::1"}
		w.ban(t, time.Hour, all...)
		for i, n := range w.hits(t, All, all...) {
			if n != 0 {
				t.Errorf("%s: %d packets before any came", all[i], n)
			}
		}
		w.expect(t, true, one...)
		w.expect(t, false, "198.51.100.8")
		before := w.hits(t, All, all...)
		for i, n := range before {
			if n < 1 {
				t.Errorf("%s: %d packets after some came", all[i], n)
			}
		}
		w.expect(t, true, one[0], one[3])
		for i, n := range w.hits(t, All, all...) {
			if more := n > before[i]; more != (i == 0 || i == 3) {
				t.Errorf("%s: from %d to %d packets", all[i], before[i], n)
			}
		}
		// A ban inside another one: what hits the inner hits the outer.
		w.ban(t, 2*time.Hour, "203.0.113.128/25")
		w.expect(t, true, "203.0.113.200")
		if got := w.hits(t, All, "203.0.113.0/24", "203.0.113.128/25"); got[0] < 1 || got[1] < 1 {
			t.Errorf("a ban and the one around it: %v packets", got)
		}
		w.release(t, all...)
		for i, n := range w.hits(t, All, all[:3]...) {
			if n != -1 {
				t.Errorf("%s: %d packets after its release", all[i], n)
			}
		}
		w.suspect(t, time.Hour, "198.51.100.7/32")
		w.expect(t, true, "198.51.100.7")
		if n := w.hits(t, SIP, "198.51.100.7/32")[0]; n < 1 {
			t.Errorf("scope SIP: %d packets", n)
		}
		w.suspect(t, time.Hour, "203.0.113.0/24", "2001:db8:c::/48")
		w.expect(t, true, "203.0.113.9", "2001:db8:c:1::1")
		for i, n := range w.hits(t, SIP, "203.0.113.0/24", "2001:db8:c::/48") {
			if n < 1 {
				t.Errorf("network %d with scope SIP: %d packets", i, n)
			}
		}
		now := w.now()
		w.Invalidate()
		must(t, w.Reconcile(now, w.Bans(now)))
		if n := w.hits(t, SIP, "198.51.100.7/32")[0]; n != 0 {
			t.Errorf("in a rebuilt table: %d packets", n)
		}
	})
}

// Without counters there are no hits, and a table of the other kind is rebuilt.
func TestUncounted(t *testing.T) {
	both(t, Config{Uncounted: true}, func(t *testing.T, w *world) {
		w.ban(t, time.Hour, "198.51.100.7/32", "203.0.113.0/24")
		w.expect(t, true, "198.51.100.7", "203.0.113.9")
		if got := w.hits(t, All, "198.51.100.7/32", "203.0.113.0/24"); got[0] != -1 || got[1] != -1 {
			t.Errorf("%v packets are counted", got)
		}
	})
	l := newLab(t)
	for _, uncounted := range []bool{false, true, false} {
		k := openKernel(t, l, Config{Uncounted: uncounted})
		must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.7/32")...))
		if l.arrives(t, netip.MustParseAddr("198.51.100.7")) {
			t.Error("a banned source arrives")
		}
		counts, err := k.Hits(k.Bans(time.Now()))
		must(t, err)
		if _, counted := counts[netip.MustParsePrefix("198.51.100.7/32")]; counted == uncounted {
			t.Errorf("uncounted %v: %v", uncounted, counts)
		}
		must(t, k.Close())
	}
}

// Hits of more bans than fit one query, some of which have ended.
func TestHitsOfMany(t *testing.T) {
	both(t, Config{}, func(t *testing.T, w *world) {
		now := w.now()
		many := make([]Ban, 5*maxQuery/2)
		for i := range many {
			a := netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)})
			many[i] = Ban{Prefix: netip.PrefixFrom(a, 32), Until: now.Add(time.Hour)}
		}
		must(t, w.Ban(now, many...))
		w.expect(t, true, "100.64.0.0", "100.64.0.79")
		w.release(t, "100.64.0.1/32", "100.64.0.31/32", "100.64.0.32/32", "100.64.0.33/32", "100.64.0.78/32")
		counts, err := w.Hits(many)
		must(t, err)
		if len(counts) != len(many)-5 || counts[many[0].Prefix] == 0 || counts[many[79].Prefix] == 0 || counts[many[40].Prefix] != 0 {
			t.Errorf("%d bans: %v", len(many), counts)
		}
	})
}
