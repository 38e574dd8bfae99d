package score

// rank is how dangerous a key is: the greatest share of any of its thresholds
// that it has reached, in eighths, and among equal shares those with more
// than one observation in a window above those with one. A key that crossed a
// threshold is above all others until that threshold's time has passed.
type rank = uint8

const (
	shares    = 8
	rankHalf  = rank(shares)
	rankFired = rank(2 * shares) // or one more, with observations in a window
	rankCount = 2*shares + 2
	rankNone  = ^rank(0) // not tracked, or just being worked on
)

// rankOf puts a share in eighths and the kind of window together.
func rankOf(share uint32, several bool) rank {
	r := rank(2 * min(share, shares-1))
	if several {
		r++
	}
	return r
}

// queue lists the keys of one rank, from the one longest not seen.
type queue struct {
	oldest, newest uint32
	n              int
}

// pushNewest and pushOldest enter key i, unlink takes it out.
func (k *keyspace) pushNewest(i uint32, r rank) {
	q, x := &k.queues[r], k.entries.at(i)
	x.rank, x.prev, x.next = r, q.newest, 0
	if q.newest == 0 {
		q.oldest = i
	} else {
		k.entries.at(q.newest).next = i
	}
	q.newest = i
	q.n++
}

func (k *keyspace) pushOldest(i uint32, r rank) {
	q, x := &k.queues[r], k.entries.at(i)
	x.rank, x.prev, x.next = r, 0, q.oldest
	if q.oldest == 0 {
		q.newest = i
	} else {
		k.entries.at(q.oldest).prev = i
	}
	q.oldest = i
	q.n++
}

func (k *keyspace) unlink(i uint32) {
	x := k.entries.at(i)
	q := &k.queues[x.rank]
	if x.prev == 0 {
		q.oldest = x.next
	} else {
		k.entries.at(x.prev).next = x.next
	}
	if x.next == 0 {
		q.newest = x.prev
	} else {
		k.entries.at(x.next).prev = x.prev
	}
	q.n--
	x.rank = rankNone
}

// guaranteed is the share of a table, one in so many, that each rank may hold
// without losing keys to more dangerous ones. Without it an attacker who fills
// the table with dangerous keys would have every newcomer evicted by the next
// one, before its second failure, and so blind us. It is more than rankCount,
// so that in a full table some rank holds more than its share.
const guaranteed = 20

// victim is the key to evict for another: of the least dangerous rank that
// holds more than its share, the one longest not seen.
func (k *keyspace) victim() uint32 {
	for r := range k.queues {
		if q := &k.queues[r]; q.n > k.capacity/guaranteed {
			return q.oldest
		}
	}
	return 0 // not reached in a full table
}

// reserve makes sure of n nodes, at the cost of the least dangerous keys that
// hold any. The caller's own key is in no queue meanwhile.
func (k *keyspace) reserve(n int, e *evidence) {
	for r := 1; r < rankCount && k.nodes.available() < n; r += 2 {
		q := &k.queues[r]
		for q.n > 0 && k.nodes.available() < n {
			k.evict(q.oldest, e)
		}
	}
}

// sensorLag is how far behind one sensor may come after another: what has
// left a window is kept this much longer before a key is forgotten for it.
const sensorLag = 60 * 1_000_000 // µs

// assess forgets what has left key i's windows and gives its rank at a time,
// and when (in seconds) that has to be looked at again.
func (k *keyspace) assess(i uint32, at int64) (r rank, due uint32) {
	share, last, several, any := uint32(0), int64(0), false, false
	x := k.entries.at(i)
	for j := range k.rules {
		rl := &k.rules[j]
		p := k.window(i, x, j)
		if p.empty() {
			continue
		}
		w := k.nodes.expire(*p, rl, at-rl.within-sensorLag)
		*p = w
		if w.empty() {
			continue
		}
		several = several || !w.single()
		s := min(k.nodes.sum(w, rl)*shares/rl.score, shares-1)
		end := k.nodes.oldestAt(w) + rl.within + sensorLag
		switch {
		case !any || s > share:
			share, last = s, end
		case s == share:
			last = max(last, end)
		}
		any = true
	}
	if x.fired && x.due > seconds(at) {
		r = rankFired
		if several {
			r++
		}
		return r, x.due
	}
	x.fired = false
	if !any {
		return rankNone, 0
	}
	return rankOf(share, several), seconds(last)
}

// seconds is the first full second after a time in µs.
func seconds(at int64) uint32 { return uint32(min(at/1_000_000+1, 1<<32-1)) }

// sweep is how danger decays: at every observation a hand moves over two keys
// and looks again at those whose time has come. A key with nothing left in
// any window is forgotten; one that is less dangerous than it was goes to the
// oldest end of its new queue, since it was not seen for long.
func (k *keyspace) sweep(at int64, e *evidence) {
	for range 2 {
		if k.hand++; k.hand > k.entries.last {
			k.hand = 1
			if k.entries.last == 0 {
				return
			}
		}
		i := k.hand
		x := k.entries.at(i)
		if x.rank == rankNone || int64(x.due)*1_000_000 > at {
			continue
		}
		r, due := k.assess(i, at)
		switch {
		case r == rankNone:
			k.remove(i, e)
		case r != x.rank:
			k.unlink(i)
			k.pushOldest(i, r)
			x.due = due
		default:
			x.due = due
		}
	}
}
