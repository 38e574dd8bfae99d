package score

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"
)

// Turns finds networks whose members take turns: each fails too rarely to be banned, or
// is banned while the next one goes on. It counts members, so that one busy member
// cannot stand for its neighbours.
//
// A network is an IPv4 /24, whose members are its addresses, an IPv6 /56, whose
// members are its /64s, or an IPv6 /48, whose members are its /56s: a provider
// gives a customer one of these. So every member fits in one byte.
//
// Failures can be forged. For a turn, a forger must name several addresses of one
// network within a short time, which random addresses do not.
//
// The table has a fixed size. Its buckets are chosen by a seeded hash that attackers
// cannot compute; in a full bucket the network with the fewest members goes, such as
// those of random addresses. Turns allocates nothing once it is made, and has no lock:
// its owner calls it from one goroutine at a time.
type Turns struct {
	seed    maphash.Seed
	buckets [][turnWays]turns
	clock   clock
}

const (
	// TurnMembers and TurnFailures are how many members must fail, and how often
	// altogether, within TurnsWithin of the first failure.
	TurnMembers  = 5
	TurnFailures = 10
	TurnsWithin  = 10 * time.Minute
	// turnMost is how many failures of one member count.
	turnMost = 3

	turnBuckets = 1 << 12
	turnWays    = 8
	// turnRoom is enough members: with one more there are TurnFailures, one each.
	turnRoom = TurnFailures - 1
)

// turns is the state of one network.
type turns struct {
	key      uint64 // 0 if there is none
	began    uint32 // seconds since 1970
	n        uint8  // members
	members  [turnRoom]uint8
	failures [turnRoom]uint8
}

// Turn is a network whose members took turns.
type Turn struct {
	Network           netip.Prefix
	Members, Failures int // of each member at most three failures
}

// NewTurns returns a table for 32,768 networks, which takes 1 MB.
func NewTurns() *Turns {
	return &Turns{seed: maphash.MakeSeed(), buckets: make([][turnWays]turns, turnBuckets)}
}

// Fail records a failure of an address. If that makes a turn, Fail returns the widest
// network whose members took turns, and begins to count it anew.
func (t *Turns) Fail(at time.Time, source netip.Addr) (turn Turn, ok bool) {
	source = source.Unmap().WithZone("")
	now := uint32(t.clock.micros(at) / 1_000_000)
	switch {
	case source.Is4():
		b := source.As4()
		return t.fail(now, source, 24, uint64(binary.BigEndian.Uint32(b[:])>>8), b[3])
	case source.Is6():
		b := source.As16()
		word := binary.BigEndian.Uint64(b[:8])
		turn, ok = t.fail(now, source, 56, word>>8, b[7])
		if wide, too := t.fail(now, source, 48, word>>16, b[6]); too {
			return wide, true
		}
	}
	return turn, ok
}

func (t *Turns) fail(now uint32, source netip.Addr, bits int, word uint64, member uint8) (Turn, bool) {
	x := t.find(now, turnKey(bits, word))
	members, failures := x.add(member)
	if members < TurnMembers || failures < TurnFailures {
		return Turn{}, false
	}
	*x = turns{}
	network, _ := source.Prefix(bits) // of the address's own family
	return Turn{network, members, failures}, true
}

// turnKey tells networks of all lengths apart; it is never 0.
func turnKey(bits int, word uint64) uint64 { return uint64(bits)<<56 | word }

func (t *Turns) bucket(key uint64) *[turnWays]turns {
	return &t.buckets[maphash.Comparable(t.seed, key)&(turnBuckets-1)]
}

// find returns the state of a network, new if it is not known or its time is over.
func (t *Turns) find(now uint32, key uint64) *turns {
	bucket := t.bucket(key)
	var free *turns
	for i := range bucket {
		x := &bucket[i]
		if x.over(now) {
			*x = turns{}
		}
		if x.key == key {
			return x
		}
		if free == nil || x.n < free.n || x.n == free.n && x.began < free.began {
			free = x
		}
	}
	*free = turns{key: key, began: now}
	return free
}

func (x *turns) over(now uint32) bool {
	age := int64(now) - int64(x.began) // slightly negative if sensors disagree
	return age >= int64(TurnsWithin/time.Second) || age < -int64(TurnsWithin/time.Second)
}

// add counts a failure and returns the sums.
func (x *turns) add(member uint8) (members, failures int) {
	known := false
	for i := range x.n {
		if x.members[i] == member {
			known = true
			x.failures[i] = min(x.failures[i]+1, turnMost)
		}
		failures += int(x.failures[i])
	}
	members = int(x.n)
	if known {
		return members, failures
	}
	if x.n < turnRoom {
		x.members[x.n], x.failures[x.n] = member, 1
		x.n++
	}
	return members + 1, failures + 1
}

// Forget forgets what happened in the networks of a prefix's first address: they
// begin anew.
func (t *Turns) Forget(prefix netip.Prefix) {
	source := prefix.Addr().Unmap()
	var keys []uint64
	if source.Is4() {
		b := source.As4()
		keys = append(keys, turnKey(24, uint64(binary.BigEndian.Uint32(b[:])>>8)))
	} else if source.Is6() {
		b := source.As16()
		word := binary.BigEndian.Uint64(b[:8])
		keys = append(keys, turnKey(56, word>>8), turnKey(48, word>>16))
	}
	for _, key := range keys {
		bucket := t.bucket(key)
		for i := range bucket {
			if bucket[i].key == key {
				bucket[i] = turns{}
			}
		}
	}
}
