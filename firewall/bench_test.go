package firewall

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkBan is one new address into a set that holds some already: from the
// call to the kernel's acknowledgement.
func BenchmarkBan(b *testing.B) {
	for _, held := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprint(held), func(b *testing.B) {
			k := benchKernel(b)
			now := time.Now()
			must(b, k.Ban(now, manyBans(held, now.Add(time.Hour))...))
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				a := netip.AddrFrom4([4]byte{200, byte(n >> 16), byte(n >> 8), byte(n)})
				must(b, k.Ban(now, Ban{Prefix: netip.PrefixFrom(a, 32), Until: now.Add(time.Hour)}))
			}
		})
	}
}

// BenchmarkBanAgain refreshes one of many.
func BenchmarkBanAgain(b *testing.B) {
	k := benchKernel(b)
	now := time.Now()
	bans := manyBans(100_000, now.Add(time.Hour))
	must(b, k.Ban(now, bans...))
	n := 0
	for b.Loop() {
		n++
		ban := bans[n*7919%len(bans)]
		ban.Until = now.Add(2 * time.Hour)
		must(b, k.Ban(now, ban))
	}
}

// BenchmarkBanPrefix is one prefix among many.
func BenchmarkBanPrefix(b *testing.B) {
	for _, held := range []int{0, 1_000, MaxPrefixes - 2} {
		b.Run(fmt.Sprint(held), func(b *testing.B) {
			k := benchKernel(b)
			now := time.Now()
			must(b, k.Ban(now, manyPrefixes(held, now.Add(time.Hour))...))
			p := netip.MustParsePrefix("203.0.113.0/24")
			for b.Loop() {
				must(b, k.Ban(now, Ban{Prefix: p, Until: now.Add(time.Hour)}))
				must(b, k.Release(p))
			}
		})
	}
}

// BenchmarkMany are operations on all bans at once.
func BenchmarkMany(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		k := benchKernel(b)
		now := time.Now()
		bans := manyBans(n, now.Add(time.Hour))
		later := manyBans(n, now.Add(2*time.Hour))
		for _, op := range []struct {
			name string
			do   func() error
		}{
			{"ban", func() error { return k.Ban(now, bans...) }},
			{"again", func() error { return k.Ban(now, later...) }},
			{"reconcile same", func() error { return k.Reconcile(now, later) }},
			{"reconcile unread", func() error {
				(&world{core: &k.core}).forget(hosts4)
				return k.Reconcile(now, later)
			}},
			{"reconcile invalid", func() error { k.Invalidate(); return k.Reconcile(now, later) }},
			{"verify", func() error { _, err := k.Verify(now); return err }},
			{"hits of 65536", func() error { _, err := k.Hits(bans[:64<<10]); return err }},
			{"stats", func() error { _, err := k.Stats(); return err }},
			{"open again", func() error {
				second, err := Open(Config{NetNS: benchNS})
				if err == nil {
					err = second.Close()
				}
				return err
			}},
			{"reconcile none", func() error { return k.Reconcile(now, nil) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", op.name, n), func(b *testing.B) {
				for b.Loop() {
					must(b, op.do())
				}
			})
		}
	}
}

func BenchmarkMemoryBan(b *testing.B) {
	m := NewMemory(Config{})
	now := time.Now()
	must(b, m.Ban(now, manyBans(100_000, now.Add(time.Hour))...))
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		a := netip.AddrFrom4([4]byte{200, byte(n >> 16), byte(n >> 8), byte(n)})
		must(b, m.Ban(now, Ban{Prefix: netip.PrefixFrom(a, 32), Until: now.Add(time.Hour)}))
	}
}

var benchNS int

func benchKernel(b *testing.B) *Kernel {
	b.Helper()
	needRoot(b)
	benchNS = newNetNS(b)
	k, err := Open(Config{NetNS: benchNS})
	must(b, err)
	b.Cleanup(func() { k.Close() })
	return k
}
