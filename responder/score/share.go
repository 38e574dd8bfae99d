package score

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// A threshold per network is about addresses that take turns. So of each source's
// observations only the first few points count for its network: one source, however
// fast, cannot have its neighbours banned.
//
// To tell the sources of a network apart, its cells keep a member number in the last
// bits of their time. An IPv4 address's number is its last byte; IPv6 networks have
// more sources than numbers, so two may share one, and count as one.

const (
	// shareMost is how many points of one source count for its network.
	shareMost  = turnMost
	memberBits = 10
	memberMask = 1<<memberBits - 1 // of a time in µs: about a millisecond
)

// member returns the number of an address in its network.
func (k *keyspace) member(a netip.Addr) int64 {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return int64(b[3])
	}
	b := a.As16()
	subnet := binary.BigEndian.Uint16(b[6:8])
	// Neighbours never share a number, and nobody can choose sources that do.
	return int64((uint64(subnet) ^ maphash.Comparable(k.seed, subnet>>memberBits)) & memberMask)
}

// stamp returns the time to store in a cell of this keyspace.
func (k *keyspace) stamp(at int64, source netip.Addr) int64 {
	if k.per != PerNetwork {
		return at
	}
	return at&^memberMask | k.member(source)
}

// share returns the points in a window of the member in a stamp.
func (n *nodes) share(w window, r *rule, stamp int64) (points uint32) {
	n.each(w, func(c cell) {
		if (c.at()^stamp)&memberMask == 0 {
			points += r.points[c.signal()]
		}
	})
	return points
}

// takes returns whether an observation counts for a rule, given the window without
// what has expired.
func (k *keyspace) takes(w window, r *rule, s Signal, stamp int64) bool {
	points := r.points[s]
	return points > 0 && (k.per != PerNetwork || k.nodes.share(w, r, stamp)+points <= shareMost)
}

// countsAny returns whether an observation counts for any rule of a claimed key.
// What does not is no evidence for the key, either: a flood from one source would
// leave none of the others.
func (k *keyspace) countsAny(i uint32, s Signal, stamp int64) bool {
	if k.per != PerNetwork {
		return true
	}
	x := k.entries.at(i)
	for j := range k.rules {
		r := &k.rules[j]
		if r.points[s] == 0 {
			continue
		}
		if w, ok := k.current(i, x, j, stamp); ok && k.takes(w, r, s, stamp) {
			return true
		}
	}
	return false
}

// current returns the window of key i for rule j at the time of a new observation,
// without what has expired. ok is false if the observation itself is too old.
func (k *keyspace) current(i uint32, x *entry, j int, stamp int64) (w window, ok bool) {
	p, r, at := k.window(i, x, j), &k.rules[j], k.nodes.time(stamp)
	w = *p
	if w.empty() {
		return w, true
	}
	cut := max(at, k.nodes.newestAt(w)) - r.within
	if at <= cut {
		return w, false
	}
	w = k.nodes.expire(w, r, cut)
	*p = w
	return w, true
}
