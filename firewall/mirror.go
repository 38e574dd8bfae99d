package firewall

import (
	"cmp"
	"iter"
	"math"
	"net/netip"
	"slices"
	"time"
)

// expiry is the end of a ban in Unix nanoseconds, or forever. The current time
// it is compared with has the same type.
type expiry int64

const forever expiry = math.MaxInt64

// farthest is the last second that certainly fits an expiry.
var farthest = time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)

func expiryOf(t time.Time) expiry {
	if t.IsZero() || t.After(farthest) {
		return forever
	}
	return expiry(t.UnixNano())
}

func (e expiry) time() time.Time {
	if e == forever {
		return time.Time{}
	}
	return time.Unix(0, int64(e)).UTC()
}

// grace is how long a ban stays in the mirror after its end. The kernel starts
// its timeout when it gets the element, which is later than the caller's now,
// and may hold the element that much longer.
const grace = expiry(time.Minute)

func (e expiry) over(now expiry) bool { return e <= now }

func (e expiry) forgotten(now expiry) bool { return e != forever && e+grace <= now }

// setKey is a prefix in a set: the key of a ban in the mirror.
type setKey struct {
	set    setID
	prefix netip.Prefix
}

// mirror is the bans that the kernel holds, by set. The maps of single
// addresses contain no pointers, so that one of millions costs 20 to 40 bytes
// (an IPv6 host 30 to 60) and the garbage collector has nothing to scan.
type mirror struct {
	hosts4  map[[4]byte]expiry
	slash64 map[[8]byte]expiry
	hosts6  map[[16]byte]expiry
	nets    netsByScope
	// With scope SIP.
	sip4  map[[4]byte]expiry
	sip64 map[[8]byte]expiry
}

// netsByScope is the prefixes that are banned in each scope.
type netsByScope [SIP + 1]map[netip.Prefix]expiry

func newMirror() mirror {
	return mirror{
		hosts4:  map[[4]byte]expiry{},
		slash64: map[[8]byte]expiry{},
		hosts6:  map[[16]byte]expiry{},
		nets:    netsByScope{All: {}, SIP: {}},
		sip4:    map[[4]byte]expiry{},
		sip64:   map[[8]byte]expiry{},
	}
}

// mirrorOf returns what the kernel is to hold after these changes to an empty
// table. The last change of a prefix counts.
func mirrorOf(changes []change) mirror {
	m := newMirror()
	for _, ch := range changes {
		at := ch.key()
		if ch.release {
			m.removeAll(at)
			continue
		}
		m.put(at, ch.until)
		if other, ok := otherScope(at.set); ok {
			m.remove(setKey{other, at.prefix})
		}
	}
	return m
}

func half(a netip.Addr) [8]byte {
	b := a.As16()
	return [8]byte(b[:8])
}

func (m *mirror) get(at setKey) (until expiry, ok bool) {
	p := at.prefix
	switch at.set {
	case hosts4:
		until, ok = m.hosts4[p.Addr().As4()]
	case slash64:
		until, ok = m.slash64[half(p.Addr())]
	case hosts6:
		until, ok = m.hosts6[p.Addr().As16()]
	case sip4:
		until, ok = m.sip4[p.Addr().As4()]
	case sip64:
		until, ok = m.sip64[half(p.Addr())]
	default:
		until, ok = m.nets[sets[at.set].scope][p]
	}
	return until, ok
}

// until returns the end of a ban, or 0 if there is none.
func (m *mirror) until(at setKey) expiry {
	until, _ := m.get(at)
	return until
}

// bans reports whether the key's prefix is there, in whatever scope.
func (m *mirror) bans(at setKey) bool {
	_, ok := m.get(at)
	if !ok {
		if other, has := otherScope(at.set); has {
			_, ok = m.get(setKey{other, at.prefix})
		}
	}
	return ok
}

func (m *mirror) put(at setKey, until expiry) {
	p := at.prefix
	switch at.set {
	case hosts4:
		m.hosts4[p.Addr().As4()] = until
	case slash64:
		m.slash64[half(p.Addr())] = until
	case hosts6:
		m.hosts6[p.Addr().As16()] = until
	case sip4:
		m.sip4[p.Addr().As4()] = until
	case sip64:
		m.sip64[half(p.Addr())] = until
	default:
		m.nets[sets[at.set].scope][p] = until
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
		delete(m.nets[sets[at.set].scope], p)
	}
}

// removeAll removes the key's prefix in both scopes.
func (m *mirror) removeAll(at setKey) {
	m.remove(at)
	if other, ok := otherScope(at.set); ok {
		m.remove(setKey{other, at.prefix})
	}
}

// adopt makes the bans of another mirror in one hash set its own.
func (m *mirror) adopt(id setID, from *mirror) {
	switch id {
	case hosts4:
		m.hosts4 = from.hosts4
	case slash64:
		m.slash64 = from.slash64
	case hosts6:
		m.hosts6 = from.hosts6
	case sip4:
		m.sip4 = from.sip4
	case sip64:
		m.sip64 = from.sip64
	}
}

// hosts counts the single addresses and /64s of a scope, ended bans included.
func (m *mirror) hosts(scope Scope) int {
	if scope == SIP {
		return len(m.sip4) + len(m.sip64)
	}
	return len(m.hosts4) + len(m.slash64) + len(m.hosts6)
}

// size counts the bans in a hash set, ended ones included.
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

// trim removes the bans for which there is no room, those that end first, and
// returns how many that were.
func (m *mirror) trim(maxHosts, maxNets [SIP + 1]int) (left int) {
	for _, class := range []struct {
		sets []setID
		over int
	}{
		{[]setID{hosts4, slash64, hosts6}, m.hosts(All) - maxHosts[All]},
		{[]setID{sip4, sip64}, m.hosts(SIP) - maxHosts[SIP]},
		{[]setID{prefixes4, prefixes6}, len(m.nets[All]) - maxNets[All]},
		{[]setID{sipnets4, sipnets6}, len(m.nets[SIP]) - maxNets[SIP]},
	} {
		if class.over <= 0 {
			continue
		}
		var bans []setKey
		for _, id := range class.sets {
			for p := range m.in(id) {
				bans = append(bans, setKey{id, p})
			}
		}
		slices.SortFunc(bans, func(a, b setKey) int {
			return cmp.Or(cmp.Compare(m.until(a), m.until(b)), a.prefix.Compare(b.prefix))
		})
		for _, at := range bans[:class.over] {
			m.remove(at)
		}
		left += class.over
	}
	return left
}

// len counts all bans, ended ones included.
func (m *mirror) len() int {
	return m.hosts(All) + m.hosts(SIP) + len(m.nets[All]) + len(m.nets[SIP])
}

// in yields the bans in one set, ended ones included.
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
		case prefixes4, prefixes6, sipnets4, sipnets6:
			scope := sets[id].scope
			for p, until := range m.nets[scope] {
				if setOf(p, scope) == id && !yield(p, until) {
					return
				}
			}
		}
	}
}

func each[K comparable](set map[K]expiry, prefix func(K) netip.Prefix, yield func(netip.Prefix, expiry) bool) {
	for k, until := range set {
		if !yield(prefix(k), until) {
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

// all yields every ban, ended ones included.
func (m *mirror) all() iter.Seq2[setKey, expiry] {
	return func(yield func(setKey, expiry) bool) {
		for id := range setCount {
			for p, until := range m.in(id) {
				if !yield(setKey{id, p}, until) {
					return
				}
			}
		}
	}
}

// sweep removes everything that ended longer than the grace period ago.
func (m *mirror) sweep(now expiry) {
	for at, until := range m.all() {
		if until.forgotten(now) {
			m.remove(at)
		}
	}
}

// tidySample is how many entries tidy looks at for each new ban. As it removes
// the ended ones it finds, at most about an eighth of the mirror is ended bans.
const tidySample = 8

// tidy removes the ended bans among a few entries picked at random, so that the
// mirror shrinks without a sweep that a caller has to wait for.
func (m *mirror) tidy(id setID, now expiry) {
	n := 0
	for p, until := range m.in(id) {
		if until.forgotten(now) {
			m.remove(setKey{id, p})
		}
		if n++; n == tidySample {
			return
		}
	}
}
