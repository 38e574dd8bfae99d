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

// Whatever prefixes are banned, the pieces are sorted, do not overlap, do not
// touch with the same end, and end at each address with the last ban of it.
func TestPiecesAreTheLatestEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		var in []byte
		for range r.IntN(60) {
			in = append(in, byte(r.Uint32()))
		}
		checkPieces(t, in)
	}
}

func FuzzPieces(f *testing.F) {
	f.Add([]byte{0, 0, 1, 128, 1, 2, 255, 8, 3})
	f.Fuzz(checkPieces)
}

// checkPieces reads prefixes from bytes: a narrow corner of each end of the
// address space, so that they nest and touch.
func checkPieces(t *testing.T, in []byte) {
	for _, v6 := range []bool{false, true} {
		nets := map[netip.Prefix]stamp{}
		for ; len(in) >= 3; in = in[3:] {
			a := corner(v6, in[0])
			bits := a.BitLen() - 9 + int(in[1])%9
			if in[1] > 250 {
				bits = int(in[1] % 4)
			}
			nets[netip.PrefixFrom(a, bits).Masked()] = stamp(in[2]%4) + 1
		}
		pieces := disjoint(nets, v6)
		for i := 1; i < len(pieces); i++ {
			if !pieces[i-1].last.Less(pieces[i].first) {
				t.Fatalf("%v: %v and %v overlap", nets, pieces[i-1], pieces[i])
			}
			if pieces[i-1].last.Next() == pieces[i].first && pieces[i-1].until == pieces[i].until {
				t.Fatalf("%v: %v and %v are one", nets, pieces[i-1], pieces[i])
			}
		}
		for b := range 256 {
			a := corner(v6, byte(b))
			var want, got stamp
			for p, s := range nets {
				if p.Contains(a) {
					want = max(want, s)
				}
			}
			for _, s := range pieces {
				if !a.Less(s.first) && !s.last.Less(a) {
					got = s.until
				}
			}
			if got != want {
				t.Fatalf("%v: %s ends at %d, want %d; pieces %v", nets, a, got, want, pieces)
			}
		}
		for _, s := range pieces {
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

// corner are the 128 first and the 128 last addresses of a family.
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
	at := func(first, last byte, until stamp) span {
		return span{corner(false, first), corner(false, last), until}
	}
	second := stamp(time.Second)
	for _, c := range []struct {
		name                      string
		from, to, drop, add, held []span
	}{
		{name: "nothing"},
		{name: "first", to: []span{at(1, 2, 0)}, add: []span{at(1, 2, 0)}, held: []span{at(1, 2, 0)}},
		{name: "last", from: []span{at(1, 2, 0)}, drop: []span{at(1, 2, 0)}},
		{name: "the same, near enough", from: []span{at(1, 2, second)}, to: []span{at(1, 2, 2*second)}, held: []span{at(1, 2, second)}},
		{name: "later", from: []span{at(1, 2, second)}, to: []span{at(1, 2, 3*second)}, drop: []span{at(1, 2, second)}, add: []span{at(1, 2, 3*second)}, held: []span{at(1, 2, 3*second)}},
		{name: "wider", from: []span{at(1, 2, 0), at(9, 9, 0)}, to: []span{at(1, 3, 0), at(9, 9, 0)}, drop: []span{at(1, 2, 0)}, add: []span{at(1, 3, 0)}, held: []span{at(1, 3, 0), at(9, 9, 0)}},
		{name: "joined", from: []span{at(1, 2, 0), at(3, 4, 1)}, to: []span{at(1, 4, 0)}, drop: []span{at(1, 2, 0), at(3, 4, 1)}, add: []span{at(1, 4, 0)}, held: []span{at(1, 4, 0)}},
	} {
		drop, add, held := diff(c.from, c.to, time.Second)
		if !slices.Equal(drop, c.drop) || !slices.Equal(add, c.add) || !slices.Equal(held, c.held) {
			t.Errorf("%s: drop %v add %v held %v", c.name, drop, add, held)
		}
	}
}

// What the kernel lists is paired again, in whatever order it comes; the end of
// a piece that has run out is passed over.
func TestPair(t *testing.T) {
	el := func(b byte, end bool) element { return element{key: corner(false, b), end: end, until: forever} }
	got := pair([]element{el(200, false), el(30, true), el(20, true), el(20, false), el(10, false), el(100, true)})
	want := []span{{corner(false, 10), corner(false, 19), forever}, {corner(false, 20), corner(false, 29), forever}, {corner(false, 200), corner(false, 255), forever}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The reader gets its bytes from the kernel, but must not fall over others.
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
