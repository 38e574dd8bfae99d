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
	// Those of scope SIP.
	sip4  map[[4]byte]stamp
	sip64 map[[8]byte]stamp
}

func newBooks() books {
	return books{
		hosts4:  map[[4]byte]stamp{},
		slash64: map[[8]byte]stamp{},
		hosts6:  map[[16]byte]stamp{},
		nets:    map[netip.Prefix]stamp{},
		sip4:    map[[4]byte]stamp{},
		sip64:   map[[8]byte]stamp{},
	}
}

func half(a netip.Addr) [8]byte {
	b := a.As16()
	return [8]byte(b[:8])
}

func (b *books) get(at place) (s stamp, ok bool) {
	p := at.prefix
	switch at.set {
	case hosts4:
		s, ok = b.hosts4[p.Addr().As4()]
	case slash64:
		s, ok = b.slash64[half(p.Addr())]
	case hosts6:
		s, ok = b.hosts6[p.Addr().As16()]
	case sip4:
		s, ok = b.sip4[p.Addr().As4()]
	case sip64:
		s, ok = b.sip64[half(p.Addr())]
	default:
		s, ok = b.nets[p]
	}
	return s, ok
}

// until is the end of a ban, or 0 when there is none booked.
func (b *books) until(at place) stamp {
	s, _ := b.get(at)
	return s
}

func (b *books) put(at place, s stamp) {
	p := at.prefix
	switch at.set {
	case hosts4:
		b.hosts4[p.Addr().As4()] = s
	case slash64:
		b.slash64[half(p.Addr())] = s
	case hosts6:
		b.hosts6[p.Addr().As16()] = s
	case sip4:
		b.sip4[p.Addr().As4()] = s
	case sip64:
		b.sip64[half(p.Addr())] = s
	default:
		b.nets[p] = s
	}
}

func (b *books) remove(at place) {
	p := at.prefix
	switch at.set {
	case hosts4:
		delete(b.hosts4, p.Addr().As4())
	case slash64:
		delete(b.slash64, half(p.Addr()))
	case hosts6:
		delete(b.hosts6, p.Addr().As16())
	case sip4:
		delete(b.sip4, p.Addr().As4())
	case sip64:
		delete(b.sip64, half(p.Addr()))
	default:
		delete(b.nets, p)
	}
}

// hosts is how many single addresses and /64s are booked in a scope, ended ones
// included.
func (b *books) hosts(scope Scope) int {
	if scope == SIP {
		return len(b.sip4) + len(b.sip64)
	}
	return len(b.hosts4) + len(b.slash64) + len(b.hosts6)
}

// size is how much is booked in one hash set, ended bans included.
func (b *books) size(id setID) int {
	switch id {
	case hosts4:
		return len(b.hosts4)
	case slash64:
		return len(b.slash64)
	case hosts6:
		return len(b.hosts6)
	case sip4:
		return len(b.sip4)
	case sip64:
		return len(b.sip64)
	}
	return 0
}

// len is how much is booked in all.
func (b *books) len() int { return b.hosts(All) + b.hosts(SIP) + len(b.nets) }

// in yields what is booked for one set, ended bans included.
func (b *books) in(id setID) iter.Seq2[netip.Prefix, stamp] {
	return func(yield func(netip.Prefix, stamp) bool) {
		switch id {
		case hosts4:
			each(b.hosts4, slash32, yield)
		case slash64:
			each(b.slash64, slash64Of, yield)
		case hosts6:
			each(b.hosts6, slash128, yield)
		case sip4:
			each(b.sip4, slash32, yield)
		case sip64:
			each(b.sip64, slash64Of, yield)
		case prefixes4, prefixes6:
			for p, s := range b.nets {
				if setOf(p, All) == id && !yield(p, s) {
					return
				}
			}
		}
	}
}

func each[K comparable](m map[K]stamp, prefix func(K) netip.Prefix, yield func(netip.Prefix, stamp) bool) {
	for k, s := range m {
		if !yield(prefix(k), s) {
			return
		}
	}
}

func slash32(k [4]byte) netip.Prefix   { return netip.PrefixFrom(netip.AddrFrom4(k), 32) }
func slash128(k [16]byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom16(k), 128) }

func slash64Of(k [8]byte) netip.Prefix {
	var a [16]byte
	copy(a[:], k[:])
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// all yields everything booked.
func (b *books) all() iter.Seq2[place, stamp] {
	return func(yield func(place, stamp) bool) {
		for id := range setCount {
			for p, s := range b.in(id) {
				if !yield(place{id, p}, s) {
					return
				}
			}
		}
	}
}

// sweep forgets everything that ended more than the grace ago.
func (b *books) sweep(now stamp) {
	for at, s := range b.all() {
		if s.forgotten(now) {
			b.remove(at)
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
			b.remove(place{id, p})
		}
		if n++; n == glances {
			return
		}
	}
}
