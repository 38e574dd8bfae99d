package slow

import (
	"net/netip"

	"github.com/tollwarden/tollwarden/responder/score"
)

// guessers is a bounded table of addresses or networks that guess.
type guessers struct {
	capacity int
	targets  *targets
	counted  bool // its tries are the addresses that targets count
	list     []guesser
	index    map[netip.Prefix]int32
	free     []int32
	queues   [classes]queue
	dirty    []int32 // to be kept on disk, each once
	evicted  uint64
}

// queue lists the guessers of one class, the one that failed last at the end.
type queue struct {
	oldest, newest int32
	n              int
}

func newGuessers(capacity int, t *targets, counted bool) *guessers {
	g := &guessers{capacity: capacity, targets: t, counted: counted, index: map[netip.Prefix]int32{}}
	for c := range g.queues {
		g.queues[c] = queue{oldest: -1, newest: -1}
	}
	return g
}

func (g *guessers) at(i int32) *guesser { return &g.list[i] }

// failed counts a failure for an account and forgets those of the guesser that are at
// or before cut.
func (g *guessers) failed(prefix netip.Prefix, target int32, o *score.Observation, cut int64) int32 {
	i := g.claim(prefix)
	x := g.at(i)
	for k := int(x.n) - 1; k >= 0; k-- {
		if x.tries[k].last <= cut {
			g.drop(x, k)
		}
	}
	t := g.try(x, target)
	was := t.proven
	t.add(o, cut)
	g.proven(t, was)
	g.settle(i)
	return i
}

// restore adds what was known of a guesser before a restart.
func (g *guessers) restore(prefix netip.Prefix, known *try) {
	i := g.claim(prefix)
	t := g.try(g.at(i), known.target)
	was := t.proven
	t.join(known)
	g.proven(t, was)
	g.settle(i)
}

// proven tells the account that an address has its first proven failure for it.
func (g *guessers) proven(t *try, was uint32) {
	if g.counted && was == 0 && t.proven > 0 {
		g.targets.proved(t.target)
	}
}

// try finds or makes the try of a claimed guesser for an account.
func (g *guessers) try(x *guesser, target int32) *try {
	if k := x.find(target); k >= 0 {
		return &x.tries[k]
	}
	if int(x.n) == len(x.tries) {
		g.drop(x, x.spare())
		x.more = true
	}
	t := &x.tries[x.n]
	*t = try{target: target}
	x.n++
	g.targets.tried(target, g.counted)
	return t
}

// drop removes a try.
func (g *guessers) drop(x *guesser, k int) {
	g.targets.untried(x.tries[k].target, g.counted, x.tries[k].proven > 0)
	x.n--
	x.tries[k] = x.tries[x.n]
}

// forget removes the try of a guesser for an account and returns it.
func (g *guessers) forget(prefix netip.Prefix, target int32) (gone try, ok bool) {
	i, ok := g.index[prefix]
	if !ok {
		return gone, false
	}
	x := g.at(i)
	k := x.find(target)
	if k < 0 {
		return gone, false
	}
	gone = x.tries[k]
	g.unlink(i)
	g.drop(x, k)
	g.settle(i)
	return gone, true
}

// take subtracts what was forgotten of an address from its network.
func (g *guessers) take(prefix netip.Prefix, target int32, gone try) {
	i, ok := g.index[prefix]
	if !ok {
		return
	}
	x := g.at(i)
	k := x.find(target)
	if k < 0 {
		return
	}
	t := &x.tries[k]
	if t.failures <= gone.failures {
		g.forget(prefix, target)
		return
	}
	g.unlink(i)
	t.failures -= gone.failures
	t.proven -= min(t.proven, gone.proven)
	g.settle(i)
}

// claim takes a guesser out of its queue, or makes one. settle puts it back.
func (g *guessers) claim(prefix netip.Prefix) int32 {
	if i, ok := g.index[prefix]; ok {
		g.unlink(i)
		return i
	}
	if len(g.index) >= g.capacity {
		g.evict()
	}
	i := int32(len(g.list))
	if n := len(g.free); n > 0 {
		i, g.free = g.free[n-1], g.free[:n-1]
	} else {
		g.list = append(g.list, guesser{})
	}
	x := g.at(i)
	*x = guesser{prefix: prefix, prev: -1, next: -1, dirty: x.dirty}
	g.index[prefix] = i
	return i
}

// settle puts a claimed guesser at the end of the queue of its class, or removes one
// without tries.
func (g *guessers) settle(i int32) {
	x := g.at(i)
	if x.n == 0 {
		g.erase(i)
		return
	}
	x.last = 0
	for k := range x.tries[:x.n] {
		x.last = max(x.last, x.tries[k].last)
		if x.tries[k].dirty && !x.dirty && g.counted {
			x.dirty = true
			g.dirty = append(g.dirty, i)
		}
	}
	x.class = x.classify()
	q := &g.queues[x.class]
	x.prev, x.next = q.newest, -1
	if q.newest < 0 {
		q.oldest = i
	} else {
		g.at(q.newest).next = i
	}
	q.newest = i
	q.n++
}

func (g *guessers) unlink(i int32) {
	x := g.at(i)
	q := &g.queues[x.class]
	if x.prev < 0 {
		q.oldest = x.next
	} else {
		g.at(x.prev).next = x.next
	}
	if x.next < 0 {
		q.newest = x.prev
	} else {
		g.at(x.next).prev = x.prev
	}
	q.n--
}

// erase frees a guesser that is in no queue. dirty stays, since its number is in the
// list of those to be kept.
func (g *guessers) erase(i int32) {
	x := g.at(i)
	for x.n > 0 {
		g.drop(x, 0)
	}
	delete(g.index, x.prefix)
	*x = guesser{dirty: x.dirty}
	g.free = append(g.free, i)
}

// evict removes the oldest guesser of the least valuable class that holds more than its
// quarter of the table. With three classes, a full table has one.
func (g *guessers) evict() {
	for c := range g.queues {
		if q := &g.queues[c]; q.n > g.capacity/4 {
			i := q.oldest
			g.unlink(i)
			g.erase(i)
			g.evicted++
			return
		}
	}
}

// prune removes the guessers whose newest failure is at or before cut.
func (g *guessers) prune(cut int64) {
	for c := range g.queues {
		for q := &g.queues[c]; q.n > 0 && g.at(q.oldest).last <= cut; {
			i := q.oldest
			g.unlink(i)
			g.erase(i)
		}
	}
}

// each calls fn for the guessers, the most valuable class and the newest failure
// first, until fn returns false.
func (g *guessers) each(fn func(x *guesser) bool) {
	for c := classes; c > 0; c-- {
		for i := g.queues[c-1].newest; i >= 0; i = g.at(i).prev {
			if !fn(g.at(i)) {
				return
			}
		}
	}
}
