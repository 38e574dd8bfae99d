package firewall

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
)

// Whatever prefixes are banned, the intervals are sorted, do not overlap, do not
// touch with the same end, and end at each address with the last ban of it.
func TestIntervalsAreTheLatestEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		var in []byte
		for range r.IntN(60) {
			in = append(in, byte(r.Uint32()))
		}
		checkIntervals(t, in)
	}
}

func FuzzIntervals(f *testing.F) {
	f.Add([]byte{0, 0, 1, 128, 1, 2, 255, 8, 3})
	f.Fuzz(checkIntervals)
}

// checkIntervals reads prefixes from bytes: a narrow corner of each end of the
// address space, so that they nest and touch.
func checkIntervals(t *testing.T, in []byte) {
	for _, v6 := range []bool{false, true} {
		nets := map[netip.Prefix]expiry{}
		for ; len(in) >= 3; in = in[3:] {
			a := corner(v6, in[0])
			bits := a.BitLen() - 9 + int(in[1])%9
			if in[1] > 250 {
				bits = int(in[1] % 4)
			}
			nets[netip.PrefixFrom(a, bits).Masked()] = expiry(in[2]%4) + 1
		}
		intervals := disjoint(nets, v6)
		for i := 1; i < len(intervals); i++ {
			if !intervals[i-1].last.Less(intervals[i].first) {
				t.Fatalf("%v: %v and %v overlap", nets, intervals[i-1], intervals[i])
			}
			if intervals[i-1].last.Next() == intervals[i].first && intervals[i-1].until == intervals[i].until {
				t.Fatalf("%v: %v and %v are one", nets, intervals[i-1], intervals[i])
			}
		}
		for b := range 256 {
			a := corner(v6, byte(b))
			var want, got expiry
			for p, s := range nets {
				if p.Contains(a) {
					want = max(want, s)
				}
			}
			for _, s := range intervals {
				if !a.Less(s.first) && !s.last.Less(a) {
					got = s.until
				}
			}
			if got != want {
				t.Fatalf("%v: %s ends at %d, want %d; intervals %v", nets, a, got, want, intervals)
			}
		}
		for _, s := range intervals {
			ps := prefixesOf(s)
			if ps[0].Addr() != s.first || lastOf(ps[len(ps)-1]) != s.last {
				t.Fatalf("%v is %v", s, ps)
			}
			for i := 1; i < len(ps); i++ {
				if lastOf(ps[i-1]).Next() != ps[i].Addr() {
					t.Fatalf("%v is %v", s, ps)
				}
			}
		}
	}
}

// corner returns one of the 128 first and 128 last addresses of a family.
func corner(v6 bool, b byte) netip.Addr {
	var a [16]byte
	if b >= 128 {
		for i := range a {
			a[i] = 0xff
		}
	}
	a[15] = b
	if v6 {
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte(a[12:]))
}

func TestDiff(t *testing.T) {
	at := func(first, last byte, until expiry) interval {
		return interval{corner(false, first), corner(false, last), until}
	}
	second := expiry(time.Second)
	for _, c := range []struct {
		name                      string
		from, to, drop, add, held []interval
	}{
		{name: "nothing"},
		{name: "first", to: []interval{at(1, 2, 0)}, add: []interval{at(1, 2, 0)}, held: []interval{at(1, 2, 0)}},
		{name: "last", from: []interval{at(1, 2, 0)}, drop: []interval{at(1, 2, 0)}},
		{name: "the same, near enough", from: []interval{at(1, 2, second)}, to: []interval{at(1, 2, 2*second)}, held: []interval{at(1, 2, second)}},
		{name: "later", from: []interval{at(1, 2, second)}, to: []interval{at(1, 2, 3*second)}, drop: []interval{at(1, 2, second)}, add: []interval{at(1, 2, 3*second)}, held: []interval{at(1, 2, 3*second)}},
		{name: "wider", from: []interval{at(1, 2, 0), at(9, 9, 0)}, to: []interval{at(1, 3, 0), at(9, 9, 0)}, drop: []interval{at(1, 2, 0)}, add: []interval{at(1, 3, 0)}, held: []interval{at(1, 3, 0), at(9, 9, 0)}},
		{name: "joined", from: []interval{at(1, 2, 0), at(3, 4, 1)}, to: []interval{at(1, 4, 0)}, drop: []interval{at(1, 2, 0), at(3, 4, 1)}, add: []interval{at(1, 4, 0)}, held: []interval{at(1, 4, 0)}},
	} {
		drop, add, held := diff(c.from, c.to, time.Second)
		if !slices.Equal(drop, c.drop) || !slices.Equal(add, c.add) || !slices.Equal(held, c.held) {
			t.Errorf("%s: drop %v add %v held %v", c.name, drop, add, held)
		}
	}
}

// Starts and ends are paired again in whatever order the kernel lists them; the end
// of an interval that has run out is skipped.
func TestPair(t *testing.T) {
	el := func(b byte, end bool) element { return element{key: corner(false, b), end: end, until: forever} }
	got := pair([]element{el(200, false), el(30, true), el(20, true), el(20, false), el(10, false), el(100, true)})
	want := []interval{{corner(false, 10), corner(false, 19), forever}, {corner(false, 20), corner(false, 29), forever}, {corner(false, 200), corner(false, 255), forever}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The reader gets its bytes from the kernel, but no others may break it.
func FuzzAnswers(f *testing.F) {
	msg := binary.NativeEndian.AppendUint32(nil, 20)
	msg = append(msg, 3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	f.Add(msg)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = answers(b, 1, func(ad *netlink.AttributeDecoder) error { decodeSet(ad); return nil })
		_, _ = answers(b, 1, func(ad *netlink.AttributeDecoder) error { decodeCounter(ad); return nil })
		_, _ = answers(b, 1, func(ad *netlink.AttributeDecoder) error { return decodeElements(ad, func(element) {}) })
	})
}
