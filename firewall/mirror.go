package firewall

import (
	"iter"
	"math"
	"net/netip"
	"time"
)

// expiry is the end of a ban in Unix nanoseconds; forever is the largest.
type expiry int64

const forever expiry = math.MaxInt64

// farthest is the last second that surely fits a expiry.
var farthest = time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)

func expiryOf(t time.Time) expiry {
	if t.IsZero() || t.After(farthest) {
		return forever
	}
	return expiry(t.UnixNano())
}

func (s expiry) time() time.Time {
	if s == forever {
		return time.Time{}
	}
	return time.Unix(0, int64(s)).UTC()
}

// grace is how long an ended ban stays in the mirror. The kernel starts its
// timeout when it gets the element, which is later than the caller's now, and
// may hold the element that much longer.
const grace = expiry(time.Minute)

func (s expiry) over(now expiry) bool { return s <= now }

func (s expiry) forgotten(now expiry) bool { return s != forever && s+grace <= now }

// mirror are the bans, by set. The maps of single addresses hold no pointers, so
// that one of millions costs 20 to 40 bytes (an IPv6 host 30 to 60) and the
// garbage collector nothing.
type mirror struct {
	hosts4  map[[4]byte]expiry
	slash64 map[[8]byte]expiry
	hosts6  map[[16]byte]expiry
	nets    map[netip.Prefix]expiry
	// Those of scope SIP.
	sip4  map[[4]byte]expiry
	sip64 map[[8]byte]expiry
}

func newMirror() mirror {
	return mirror{
		hosts4:  map[[4]byte]expiry{},
		slash64: map[[8]byte]expiry{},
		hosts6:  map[[16]byte]expiry{},
		nets:    map[netip.Prefix]expiry{},
		sip4:    map[[4]byte]expiry{},
		sip64:   map[[8]byte]expiry{},
	}
}

func half(a netip.Addr) [8]byte {
	b := a.As16()
	return [8]byte(b[:8])
}

func (m *mirror) get(at setKey) (s expiry, ok bool) {
	p := at.prefix
	switch at.set {
	case hosts4:
		s, ok = m.hosts4[p.Addr().As4()]
	case slash64:
		s, ok = m.slash64[half(p.Addr())]
	case hosts6:
		s, ok = m.hosts6[p.Addr().As16()]
	case sip4:
		s, ok = m.sip4[p.Addr().As4()]
	case sip64:
		s, ok = m.sip64[half(p.Addr())]
	default:
		s, ok = m.nets[p]
	}
	return s, ok
}

// until is the end of a ban, or 0 when there is none booked.
func (m *mirror) until(at setKey) expiry {
	s, _ := m.get(at)
	return s
}

func (m *mirror) put(at setKey, s expiry) {
	p := at.prefix
	switch at.set {
	case hosts4:
		m.hosts4[p.Addr().As4()] = s
	case slash64:
		m.slash64[half(p.Addr())] = s
	case hosts6:
		m.hosts6[p.Addr().As16()] = s
	case sip4:
		m.sip4[p.Addr().As4()] = s
	case sip64:
		m.sip64[half(p.Addr())] = s
	default:
		m.nets[p] = s
	}
}

func (m *mirror) remove(at setKey) {
	p := at.prefix
	switch at.set {
	case hosts4:
		delete(m.hosts4, p.Addr().As4())
	case slash64:
		delete(m.slash64, half(p.Addr()))
	case hosts6:
		delete(m.hosts6, p.Addr().As16())
	case sip4:
		delete(m.sip4, p.Addr().As4())
	case sip64:
		delete(m.sip64, half(p.Addr()))
	default:
		delete(m.nets, p)
	}
}

// hosts is how many single addresses and /64s are booked in a scope, ended ones
// included.
func (m *mirror) hosts(scope Scope) int {
	if scope == SIP {
		return len(m.sip4) + len(m.sip64)
	}
	return len(m.hosts4) + len(m.slash64) + len(m.hosts6)
}

// size is how much is booked in one hash set, ended bans included.
func (m *mirror) size(id setID) int {
	switch id {
	case hosts4:
		return len(m.hosts4)
	case slash64:
		return len(m.slash64)
	case hosts6:
		return len(m.hosts6)
	case sip4:
		return len(m.sip4)
	case sip64:
		return len(m.sip64)
	}
	return 0
}

// len is how much is booked in all.
func (m *mirror) len() int { return m.hosts(All) + m.hosts(SIP) + len(m.nets) }

// in yields what is booked for one set, ended bans included.
func (m *mirror) in(id setID) iter.Seq2[netip.Prefix, expiry] {
	return func(yield func(netip.Prefix, expiry) bool) {
		switch id {
		case hosts4:
			each(m.hosts4, slash32, yield)
		case slash64:
			each(m.slash64, slash64Of, yield)
		case hosts6:
			each(m.hosts6, slash128, yield)
		case sip4:
			each(m.sip4, slash32, yield)
		case sip64:
			each(m.sip64, slash64Of, yield)
		case prefixes4, prefixes6:
			for p, s := range m.nets {
				if setOf(p, All) == id && !yield(p, s) {
					return
				}
			}
		}
	}
}

func each[K comparable](m map[K]expiry, prefix func(K) netip.Prefix, yield func(netip.Prefix, expiry) bool) {
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
func (m *mirror) all() iter.Seq2[setKey, expiry] {
	return func(yield func(setKey, expiry) bool) {
		for id := range setCount {
			for p, s := range m.in(id) {
				if !yield(setKey{id, p}, s) {
					return
				}
			}
		}
	}
}

// sweep forgets everything that ended more than the grace ago.
func (m *mirror) sweep(now expiry) {
	for at, s := range m.all() {
		if s.forgotten(now) {
			m.remove(at)
		}
	}
}

// tidied is how many entries tidy looks at for each ban that is booked. Since
// it forgets what it finds ended, at most about an eighth of the mirror is.
const tidied = 8

// tidy looks at a few entries picked by chance and forgets those that ended, so
// that the mirror shrink without anyone ever waiting for a sweep.
func (m *mirror) tidy(id setID, now expiry) {
	n := 0
	for p, s := range m.in(id) {
		if s.forgotten(now) {
			m.remove(setKey{id, p})
		}
		if n++; n == tidied {
			return
		}
	}
}
