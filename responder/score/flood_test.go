package score

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// attacker returns source address n of a flood.
func attacker(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+n)
	return netip.AddrFrom4(b)
}

func TestFloodDoesNotEvictDangerousKeys(t *testing.T) {
	const flood = 1_000_000
	table := newTable(t, Limits{Sources: 1 << 16, Networks: 1 << 14, Spare: 1 << 14}, guessing...)
	near := seen(start, InvalidPassword, "192.0.2.66", "1002") // two of three
	banned := seen(start, InvalidPassword, "198.51.100.7", "1003")
	table.Observe(near)
	table.Observe(near)
	for range 3 {
		table.Observe(banned)
	}
	mem := heapInUse()
	o := seen(start, InvalidPassword, "192.0.2.1", "1004")
	for i := range uint32(flood) {
		o.At = start.Add(time.Duration(i) * time.Minute / flood)
		o.Source = attacker(i * 37)
		table.Observe(o)
	}
	grown := heapInUse() - mem
	s := table.Stats()
	t.Logf("after %d sources: %+v; heap grew by %d MB", flood, s, grown>>20)
	if s.Keys[PerSource].Tracked != 1<<16 || s.Keys[PerSource].Evicted != flood+2-1<<16 {
		t.Errorf("sources: %+v", s.Keys[PerSource])
	}
	if grown > int64(s.Bytes)+4<<20 || s.Bytes > 1<<16*200+1<<14*200+8<<20 {
		t.Errorf("%d bytes held, heap grew by %d", s.Bytes, grown)
	}
	if got := len(table.Evidence(Key{Per: PerSource, Prefix: event.SourcePrefix(banned.Source)})); got != 3 {
		t.Errorf("the banned source has %d records left, want 3", got)
	}
	near.At = start.Add(time.Minute)
	vs := table.Observe(near)
	if fired(vs) != "password guessing 192.0.2.66" || len(vs[0].Evidence) != 3 {
		t.Errorf("the source near its threshold: %q", fired(vs))
	}
	checkTable(t, table)
}

// TestFloodOfDangerousKeys fills the table with keys that fired. A new source must not
// be evicted before its third failure.
func TestFloodOfDangerousKeys(t *testing.T) {
	table := newTable(t, Limits{Sources: 4096}, guessing[0])
	at := start
	next := uint32(0)
	for range 6000 {
		for range 3 {
			o := seen(at, InvalidPassword, "192.0.2.1", "1004")
			o.Source = attacker(next)
			table.Observe(o)
		}
		next++
	}
	for i := range 3 {
		vs := table.Observe(seen(at, InvalidPassword, "192.0.2.66", "1002"))
		if i == 2 && len(vs) != 1 {
			t.Error("the new source was evicted")
		}
		for range 150 { // between two guesses
			o := seen(at, InvalidPassword, "192.0.2.1", "1004")
			o.Source = attacker(next)
			table.Observe(o)
			next++
		}
	}
	checkTable(t, table)
}

func TestEvictionOrder(t *testing.T) {
	table := newTable(t, Limits{Sources: 4}, guessing[0])
	at := start
	fail := func(source string, times int) {
		for range times {
			at = at.Add(time.Second)
			table.Observe(seen(at, InvalidPassword, source, "1002"))
		}
	}
	tracked := func(source string) bool {
		_, i := table.lookUp(Key{Per: PerSource, Prefix: event.SourcePrefix(netip.MustParseAddr(source))})
		return i != 0
	}
	fail("192.0.2.1", 3) // fired
	fail("192.0.2.2", 2)
	fail("192.0.2.3", 1)
	fail("192.0.2.4", 1)
	fail("192.0.2.5", 1)
	if tracked("192.0.2.3") || !tracked("192.0.2.4") {
		t.Error("the least recently seen of the keys with one failure was not evicted")
	}
	fail("192.0.2.6", 1)
	fail("192.0.2.7", 1)
	fail("192.0.2.7", 1)
	fail("192.0.2.8", 1)
	if !tracked("192.0.2.1") || !tracked("192.0.2.2") || !tracked("192.0.2.7") {
		t.Error("a dangerous key was evicted before others")
	}
	checkTable(t, table)
}

func TestDangerDecays(t *testing.T) {
	table := newTable(t, Limits{Sources: 200}, guessing[0], guessing[1])
	for i := range 90 {
		for range 3 { // fires, and leaves 3 of 10 points towards slow guessing
			o := seen(start, InvalidPassword, "192.0.2.1", "1002")
			o.Source = attacker(uint32(i))
			table.Observe(o)
		}
	}
	ranks := func() (fired, tracked int) {
		k := table.spaces[PerSource-1]
		return k.queues[rankFired].n + k.queues[rankFired+1].n, k.tracked
	}
	if f, n := ranks(); f != 90 || n != 90 {
		t.Fatalf("%d of %d count as fired", f, n)
	}
	walk := func(at time.Time) {
		for range 60 {
			table.Observe(seen(at, InvalidPassword, "198.51.100.1", "1002"))
		}
		table.Forget(Key{Per: PerSource, Prefix: netip.MustParsePrefix("198.51.100.1/32")})
	}
	walk(start.Add(time.Hour + time.Minute))
	if f, n := ranks(); f != 0 || n != 90 {
		t.Errorf("after an hour %d of %d count as fired, want 0 of 90", f, n)
	}
	walk(start.Add(24*time.Hour + 2*time.Minute))
	if _, n := ranks(); n != 0 {
		t.Errorf("after a day %d keys are still tracked", n)
	}
	if s := table.Stats(); s.Notes != 0 {
		t.Errorf("%d notes of forgotten keys", s.Notes)
	}
	checkTable(t, table)
}

// TestObserveDoesNotAllocate checks that no observation allocates, except for verdicts.
func TestObserveDoesNotAllocate(t *testing.T) {
	table := newTable(t, Limits{Sources: 1 << 12, Networks: 1 << 10, Accounts: 16, Spare: 1 << 10}, guessing...)
	o := seen(start, InvalidPassword, "192.0.2.1", "1004")
	n := uint32(0)
	fresh := func() {
		n++
		o.At = o.At.Add(80 * time.Second) // slow enough for the account
		o.Source = attacker(n * 257)
		table.Observe(o)
	}
	for range 1 << 14 {
		fresh()
	}
	if a := testing.AllocsPerRun(5000, fresh); a != 0 {
		t.Errorf("new sources: %v allocations", a)
	}
	sources := 0
	known := func() {
		o.At = o.At.Add(31 * time.Minute)
		o.Source = attacker(uint32(sources % 64))
		sources++
		table.Observe(o)
	}
	for range 1 << 10 {
		known()
	}
	if a := testing.AllocsPerRun(5000, known); a != 0 {
		t.Errorf("known keys: %v allocations", a)
	}
	i := 0
	accounts := make([][]byte, 64)
	for i := range accounts {
		accounts[i] = fmt.Append(nil, "account-", i)
	}
	anyAccount := func() {
		known()
		o.Account = accounts[i%len(accounts)]
		i++
	}
	if a := testing.AllocsPerRun(5000, anyAccount); a != 0 {
		t.Errorf("changing accounts: %v allocations", a)
	}
}

// TestBytesPerSource measures the memory per source with one failure.
func TestBytesPerSource(t *testing.T) {
	const sources = 1 << 17
	for _, tt := range []struct {
		name       string
		thresholds []Threshold
		most       int
	}{
		{"default thresholds for sources", guessing[:3], 150},
		{"and for networks and accounts", guessing, 240},
	} {
		table := newTable(t, Limits{Sources: sources, Networks: sources}, tt.thresholds...)
		before := heapInUse()
		o := seen(start, InvalidPassword, "192.0.2.1", "1004")
		o.Session = []byte("1c5a8e2f-0000-4242-9999-0123456789ab") // a typical Call-ID
		for i := range uint32(sources) {
			o.Source = attacker(i * 256) // each in its own network
			table.Observe(o)
		}
		per := int(heapInUse()-before) / sources
		t.Logf("%s: %d bytes per source on the heap, %d accounted for", tt.name, per, table.Stats().Bytes/sources)
		if per > tt.most || table.Stats().Bytes/sources > tt.most {
			t.Errorf("%s: more than %d bytes", tt.name, tt.most)
		}
		runtime.KeepAlive(table)
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkObserve(b *testing.B) {
	// Scores as on a server under constant attack. Thresholds are hardly ever crossed,
	// because verdicts are expensive.
	for _, tracked := range []int{1_000, 100_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("tracked=%d", tracked), func(b *testing.B) {
			if tracked > 1_000_000 && testing.Short() {
				b.Skip("needs more than 1 GB: run without -short")
			}
			table := newTable(b, Limits{Sources: tracked}, guessing[:3]...)
			o := seen(start, InvalidPassword, "192.0.2.1", "1004")
			for i := range tracked {
				o.Source = attacker(uint32(i))
				table.Observe(o)
			}
			perSource := float64(table.Stats().Bytes) / float64(tracked)
			run := func(name string, from, among uint32, step time.Duration) {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for i := uint32(0); b.Loop(); i++ {
						o.At = o.At.Add(step)
						o.Source = attacker(from + uint32(uint64(i*2_654_435_761)*uint64(among)>>32))
						table.Observe(o)
					}
					b.ReportMetric(perSource, "B/source")
				})
			}
			// Each new source evicts the least recently seen one.
			run("known", 0, uint32(tracked), 6*time.Hour/time.Duration(tracked))
			run("new", 1<<27, 1<<31, time.Millisecond)
		})
	}
}
