package firewall

import (
	"iter"
	"math"
	"net/netip"
	"time"
)

// stamp is the end of a ban in Unix nanoseconds; forever is the largest.
type stamp int64

const forever stamp = math.MaxInt64

// farthest is the last second that surely fits a stamp.
var farthest = time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)

func stampOf(t time.Time) stamp {
	if t.IsZero() || t.After(farthest) {
		return forever
	}
	return stamp(t.UnixNano())
}

func (s stamp) time() time.Time {
	if s == forever {
		return time.Time{}
	}
	return time.Unix(0, int64(s)).UTC()
}

// grace is how long an ended ban stays in the books. The kernel starts its
// timeout when it gets the element, which is later than the caller's now, and
// may hold the element that much longer.
const grace = stamp(time.Minute)

func (s stamp) over(now stamp) bool { return s <= now }

func (s stamp) forgotten(now stamp) bool { return s != forever && s+grace <= now }

// books are the bans, by set. The maps of single addresses hold no pointers, so
// that one of millions costs 20 to 40 bytes (an IPv6 host 30 to 60) and the
// garbage collector nothing.
type books struct {
	hosts4  map[[4]byte]stamp
	slash64 map[[8]byte]stamp
	hosts6  map[[16]byte]stamp
	nets    map[netip.Prefix]stamp
}

func newBooks() books {
	return books{
		hosts4:  map[[4]byte]stamp{},
		slash64: map[[8]byte]stamp{},
		hosts6:  map[[16]byte]stamp{},
		nets:    map[netip.Prefix]stamp{},
	}
}

func half(a netip.Addr) [8]byte {
	b := a.As16()
	return [8]byte(b[:8])
}

func (b *books) get(p netip.Prefix) (s stamp, ok bool) {
	switch setOf(p) {
	case hosts4:
		s, ok = b.hosts4[p.Addr().As4()]
	case slash64:
		s, ok = b.slash64[half(p.Addr())]
	case hosts6:
		s, ok = b.hosts6[p.Addr().As16()]
	default:
		s, ok = b.nets[p]
	}
	return s, ok
}

// until is the end of a ban, or 0 when there is none booked.
func (b *books) until(p netip.Prefix) stamp {
	s, _ := b.get(p)
	return s
}

func (b *books) put(p netip.Prefix, s stamp) {
	switch setOf(p) {
	case hosts4:
		b.hosts4[p.Addr().As4()] = s
	case slash64:
		b.slash64[half(p.Addr())] = s
	case hosts6:
		b.hosts6[p.Addr().As16()] = s
	default:
		b.nets[p] = s
	}
}

func (b *books) remove(p netip.Prefix) {
	switch setOf(p) {
	case hosts4:
		delete(b.hosts4, p.Addr().As4())
	case slash64:
		delete(b.slash64, half(p.Addr()))
	case hosts6:
		delete(b.hosts6, p.Addr().As16())
	default:
		delete(b.nets, p)
	}
}

// hosts is how many single addresses and /64s are booked, ended ones included.
func (b *books) hosts() int { return len(b.hosts4) + len(b.slash64) + len(b.hosts6) }

// in yields what is booked for one set, ended bans included.
func (b *books) in(id setID) iter.Seq2[netip.Prefix, stamp] {
	return func(yield func(netip.Prefix, stamp) bool) {
		switch id {
		case hosts4:
			for k, s := range b.hosts4 {
				if !yield(netip.PrefixFrom(netip.AddrFrom4(k), 32), s) {
					return
				}
			}
		case slash64:
			for k, s := range b.slash64 {
				var a [16]byte
				copy(a[:], k[:])
				if !yield(netip.PrefixFrom(netip.AddrFrom16(a), 64), s) {
					return
				}
			}
		case hosts6:
			for k, s := range b.hosts6 {
				if !yield(netip.PrefixFrom(netip.AddrFrom16(k), 128), s) {
					return
				}
			}
		case prefixes4, prefixes6:
			for p, s := range b.nets {
				if setOf(p) == id && !yield(p, s) {
					return
				}
			}
		}
	}
}

// all yields everything booked.
func (b *books) all() iter.Seq2[netip.Prefix, stamp] {
	return func(yield func(netip.Prefix, stamp) bool) {
		for id := range setCount {
			for p, s := range b.in(id) {
				if !yield(p, s) {
					return
				}
			}
		}
	}
}

// sweep forgets everything that ended more than the grace ago.
func (b *books) sweep(now stamp) {
	for p, s := range b.all() {
		if s.forgotten(now) {
			b.remove(p)
		}
	}
}

// glances is how many entries tidy looks at for each ban that is booked. Since
// it forgets what it finds ended, at most about an eighth of the books is.
const glances = 8

// tidy looks at a few entries picked by chance and forgets those that ended, so
// that the books shrink without anyone ever waiting for a sweep.
func (b *books) tidy(id setID, now stamp) {
	n := 0
	for p, s := range b.in(id) {
		if s.forgotten(now) {
			b.remove(p)
		}
		if n++; n == glances {
			return
		}
	}
}
