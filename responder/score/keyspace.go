package score

import (
	"bytes"
	"hash/maphash"
	"unsafe"
)

// entry is the state of one key, in one cache line. A key that is not tracked, or is
// claimed, has rankNone.
type entry struct {
	word       uint64
	prev, next uint32 // neighbours in the queue of its rank
	chain      uint32 // next entry in the bucket, or in the list of free entries
	due        uint32 // when to assess the key again, in seconds since 1970
	evidence   uint32 // trail.newest
	kept       uint8  // trail.kept
	rank       rank
	family     uint8
	fired      bool // crossed a threshold; reset when due

	windows [near]window
}

// near is the number of windows stored in an entry. Windows of further thresholds are
// stored in separate chunks.
const near = 4

func (x *entry) trail() trail     { return trail{newest: x.evidence, kept: x.kept} }
func (x *entry) setTrail(t trail) { x.evidence, x.kept = t.newest, t.kept }

// name is an account's name, stored in a separate slab under the number of its key.
type name struct {
	n    uint8
	text [maxAccount]byte
}

func (n *name) bytes() []byte { return n.text[:n.n] }

// keyspace tracks the keys of one kind.
type keyspace struct {
	per      Per
	rules    []rule
	counts   [signalCount]bool // whether any rule has points for a signal
	capacity int

	seed    maphash.Seed
	buckets []uint32
	entries slab[entry]
	names   slab[name]
	far     [][]window // chunks of the windows beyond near, for each chunk of entries
	free    uint32     // list of free entries, by chain
	tracked int

	nodes  nodes
	queues [rankCount]queue
	hand   uint32

	evicted uint64
}

func newKeyspace(per Per, rules []rule, capacity int) *keyspace {
	k := &keyspace{per: per, rules: rules, capacity: capacity, seed: maphash.MakeSeed()}
	if per == PerNetwork {
		k.nodes.mask = memberMask
	}
	most := 0
	for i := range rules {
		most += rules[i].cells
		for s, p := range rules[i].points {
			if p > 0 {
				k.counts[s] = true
			}
		}
	}
	// The first observation in a window needs no node. Two nodes for each source are
	// plenty on average; networks and accounts need more. One key must always be able
	// to fill all of its windows.
	perKey := 2
	if per != PerSource {
		perKey = 8
	}
	k.nodes.limit = max(perKey*capacity, most+2*len(rules))
	size := 2
	for size < 2*capacity { // half full at most, since following a chain costs more than 4 bytes
		size *= 2
	}
	k.buckets = make([]uint32, size)
	return k
}

// window returns the window of key i, whose entry is x, for rule j.
func (k *keyspace) window(i uint32, x *entry, j int) *window {
	if j < near {
		return &x.windows[j]
	}
	return &k.far[i>>chunkBits][int(i&chunkMask)*(len(k.rules)-near)+j-near]
}

// accountID returns the id of an account's name.
func (k *keyspace) accountID(name []byte) id {
	return id{word: maphash.Bytes(k.seed, name), name: name}
}

func (k *keyspace) bucket(word uint64, family uint8) *uint32 {
	h := word
	if family != 0 {
		h = maphash.Comparable(k.seed, word)
	}
	return &k.buckets[h&uint64(len(k.buckets)-1)]
}

// find returns the number of a tracked key, or 0.
func (k *keyspace) find(s id) uint32 {
	for i := *k.bucket(s.word, s.family); i != 0; {
		x := k.entries.at(i)
		if x.word == s.word && x.family == s.family && (s.family != 0 || bytes.Equal(k.names.at(i).bytes(), s.name)) {
			return i
		}
		i = x.chain
	}
	return 0
}

// claim removes the key of an observation from its queue so that it can be changed. If
// the signal counts and the key is not tracked yet, claim starts tracking it. It
// returns 0 for an untracked key. dangerous is true if the key had come half way to a
// threshold. settle releases the key.
func (k *keyspace) claim(s id, signal Signal, e *evidence) (i uint32, dangerous bool) {
	i = k.find(s)
	switch {
	case i != 0:
		dangerous = k.entries.at(i).rank >= rankHalf
		k.unlink(i)
	case k.counts[signal]:
		i = k.admit(s, e)
	}
	return i, dangerous
}

func (k *keyspace) admit(s id, e *evidence) uint32 {
	if k.tracked >= k.capacity {
		k.evict(k.victim(), e)
	}
	i := k.free
	if i != 0 {
		k.free = k.entries.at(i).chain
	} else {
		i = k.entries.grow()
		if far := len(k.rules) - near; far > 0 && int(i>>chunkBits) >= len(k.far) {
			k.far = append(k.far, make([]window, chunkSize*far))
		}
		if k.per.named() {
			k.names.grow()
		}
	}
	if s.family == 0 {
		n := k.names.at(i)
		n.n = uint8(copy(n.text[:], s.name))
	}
	b := k.bucket(s.word, s.family)
	*k.entries.at(i) = entry{word: s.word, family: s.family, chain: *b, rank: rankNone}
	*b = i
	k.tracked++
	return i
}

// settle puts a claimed key into its queue as the newest.
func (k *keyspace) settle(i uint32, at int64, e *evidence) {
	r, due := k.assess(i, at)
	if r == rankNone {
		k.erase(i, e)
	} else {
		k.entries.at(i).due = due
		k.pushNewest(i, r)
	}
	k.sweep(at, e)
}

func (k *keyspace) evict(i uint32, e *evidence) {
	k.evicted++
	k.remove(i, e)
}

// remove deletes a key that is in a queue; erase deletes a claimed one.
func (k *keyspace) remove(i uint32, e *evidence) {
	k.unlink(i)
	k.erase(i, e)
}

func (k *keyspace) erase(i uint32, e *evidence) {
	x := k.entries.at(i)
	for j := range k.rules {
		w := k.window(i, x, j)
		*w = k.nodes.clear(*w)
	}
	t := x.trail()
	e.drop(&t, k.per)
	at := k.bucket(x.word, x.family)
	for *at != i {
		at = &k.entries.at(*at).chain
	}
	*at = x.chain
	*x = entry{chain: k.free, rank: rankNone}
	k.free = i
	k.tracked--
}

// key returns the public form of a tracked key.
func (k *keyspace) key(i uint32) Key {
	x := k.entries.at(i)
	switch x.family {
	case 0:
		return Key{Per: k.per, Account: string(k.names.at(i).bytes())}
	case familySite:
		return Key{Per: PerSite}
	}
	return addressKey(k.per, x.word, x.family)
}

// bytes returns the memory held, without the evidence.
func (k *keyspace) bytes() int {
	far := len(k.far) * chunkSize * (len(k.rules) - near) * int(unsafe.Sizeof(window(0)))
	return len(k.buckets)*4 + k.entries.bytes() + k.names.bytes() + far + k.nodes.slab.bytes()
}
