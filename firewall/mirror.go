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

// mirror is the bans that the kernel holds, by scope and set. The maps of single
// addresses contain no pointers, so that one of millions costs 20 to 40 bytes
// (an IPv6 host 30 to 60) and the garbage collector has nothing to scan.
type mirror struct {
	hosts4  [scopeCount]map[[4]byte]expiry
	slash64 [scopeCount]map[[8]byte]expiry
	hosts6  map[[16]byte]expiry // with scope All; with others a /128 is one of nets
	nets    netsByScope
}

// netsByScope is the prefixes that are banned in each scope.
type netsByScope [scopeCount]map[netip.Prefix]expiry

func newMirror() mirror {
	m := mirror{hosts6: map[[16]byte]expiry{}}
	for scope := range scopeCount {
		m.hosts4[scope] = map[[4]byte]expiry{}
		m.slash64[scope] = map[[8]byte]expiry{}
		m.nets[scope] = map[netip.Prefix]expiry{}
	}
	return m
}

// mirrorOf returns what the kernel is to hold after these changes to an empty
// table. The last change of a prefix counts.
func mirrorOf(changes []change) mirror {
	m := newMirror()
	for _, ch := range changes {
		m.removeAll(ch.prefix)
		if !ch.release {
			m.put(ch.key(), ch.until)
		}
	}
	return m
}

func half(a netip.Addr) [8]byte {
	b := a.As16()
	return [8]byte(b[:8])
}

func (m *mirror) get(at setKey) (until expiry, ok bool) {
	a := at.prefix.Addr()
	switch s := &sets[at.set]; {
	case s.interval:
		until, ok = m.nets[s.scope][at.prefix]
	case s.half:
		until, ok = m.slash64[s.scope][half(a)]
	case s.v6:
		until, ok = m.hosts6[a.As16()]
	default:
		until, ok = m.hosts4[s.scope][a.As4()]
	}
	return until, ok
}

// until returns the end of a ban, or 0 if there is none.
func (m *mirror) until(at setKey) expiry {
	until, _ := m.get(at)
	return until
}

// bans reports whether the prefix is there, in whatever scope.
func (m *mirror) bans(p netip.Prefix) bool {
	for scope := range scopeCount {
		if _, ok := m.get(setKey{setOf(p, scope), p}); ok {
			return true
		}
	}
	return false
}

// elsewhere reports whether the key's prefix is there in another scope.
func (m *mirror) elsewhere(at setKey) bool {
	for scope := range scopeCount {
		if scope == sets[at.set].scope {
			continue
		}
		if _, ok := m.get(setKey{setOf(at.prefix, scope), at.prefix}); ok {
			return true
		}
	}
	return false
}

func (m *mirror) put(at setKey, until expiry) {
	a := at.prefix.Addr()
	switch s := &sets[at.set]; {
	case s.interval:
		m.nets[s.scope][at.prefix] = until
	case s.half:
		m.slash64[s.scope][half(a)] = until
	case s.v6:
		m.hosts6[a.As16()] = until
	default:
		m.hosts4[s.scope][a.As4()] = until
	}
}

func (m *mirror) remove(at setKey) {
	a := at.prefix.Addr()
	switch s := &sets[at.set]; {
	case s.interval:
		delete(m.nets[s.scope], at.prefix)
	case s.half:
		delete(m.slash64[s.scope], half(a))
	case s.v6:
		delete(m.hosts6, a.As16())
	default:
		delete(m.hosts4[s.scope], a.As4())
	}
}

// removeAll removes the prefix in every scope.
func (m *mirror) removeAll(p netip.Prefix) {
	for scope := range scopeCount {
		m.remove(setKey{setOf(p, scope), p})
	}
}

// removeHost removes the prefix from every hash set.
func (m *mirror) removeHost(p netip.Prefix) {
	for scope := range scopeCount {
		if id := setOf(p, scope); !sets[id].interval {
			m.remove(setKey{id, p})
		}
	}
}

// adopt makes the bans of another mirror in one hash set its own.
func (m *mirror) adopt(id setID, from *mirror) {
	switch s := &sets[id]; {
	case s.interval:
	case s.half:
		m.slash64[s.scope] = from.slash64[s.scope]
	case s.v6:
		m.hosts6 = from.hosts6
	default:
		m.hosts4[s.scope] = from.hosts4[s.scope]
	}
}

// hosts counts the single addresses and /64s of a scope, ended bans included.
func (m *mirror) hosts(scope Scope) int {
	n := len(m.hosts4[scope]) + len(m.slash64[scope])
	if scope == All {
		n += len(m.hosts6)
	}
	return n
}

// hostCounts is hosts of every scope.
func (m *mirror) hostCounts() (n [scopeCount]int) {
	for scope := range scopeCount {
		n[scope] = m.hosts(scope)
	}
	return n
}

// size counts the bans in a hash set, ended ones included.
func (m *mirror) size(id setID) int {
	switch s := &sets[id]; {
	case s.interval:
		return 0
	case s.half:
		return len(m.slash64[s.scope])
	case s.v6:
		return len(m.hosts6)
	default:
		return len(m.hosts4[s.scope])
	}
}

// trim removes the bans for which there is no room, those that end first, and
// returns how many that were.
func (m *mirror) trim(maxHosts, maxNets [scopeCount]int) (left int) {
	type class struct {
		sets []setID
		over int
	}
	var classes []class
	for scope, s := range setsOf {
		hosts := []setID{s.host4, s.half}
		if !sets[s.host6].interval {
			hosts = append(hosts, s.host6)
		}
		classes = append(classes,
			class{hosts, m.hosts(Scope(scope)) - maxHosts[scope]},
			class{[]setID{s.nets4, s.nets6}, len(m.nets[scope]) - maxNets[scope]})
	}
	for _, class := range classes {
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
	n := 0
	for scope := range scopeCount {
		n += m.hosts(scope) + len(m.nets[scope])
	}
	return n
}

// in yields the bans in one set, ended ones included.
func (m *mirror) in(id setID) iter.Seq2[netip.Prefix, expiry] {
	return func(yield func(netip.Prefix, expiry) bool) {
		switch s := &sets[id]; {
		case s.allow:
		case s.interval:
			for p, until := range m.nets[s.scope] {
				if setOf(p, s.scope) == id && !yield(p, until) {
					return
				}
			}
		case s.half:
			each(m.slash64[s.scope], slash64Of, yield)
		case s.v6:
			each(m.hosts6, slash128, yield)
		default:
			each(m.hosts4[s.scope], slash32, yield)
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
