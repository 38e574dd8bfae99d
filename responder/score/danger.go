package score

// rank is how dangerous a key is: the largest fraction of a threshold that it has
// reached, in eighths. For equal fractions, keys with several observations in a window
// rank above keys with one. A key that crossed a threshold ranks above all others
// until the threshold's time has passed.
type rank = uint8

const (
	shares    = 8
	rankHalf  = rank(shares)
	rankFired = rank(2 * shares) // plus one with several observations in a window
	rankCount = 2*shares + 2
	rankNone  = ^rank(0) // not tracked, or claimed
)

// rankOf returns the rank for a share in eighths.
func rankOf(share uint32, several bool) rank {
	r := rank(2 * min(share, shares-1))
	if several {
		r++
	}
	return r
}

// queue is the list of keys of one rank, in the order they were last seen.
type queue struct {
	oldest, newest uint32
	n              int
}

// pushNewest and pushOldest add key i at an end of a queue. unlink removes it.
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

// minRankShare is the part of a table (one in minRankShare) that each rank may fill
// without losing keys to more dangerous ones. Without it, an attacker could fill the
// table with dangerous keys; every new key would then be evicted before its second
// failure. It is greater than rankCount, so that in a full table at least one rank
// exceeds its part.
const minRankShare = 20

// victim returns the key to evict: the least recently seen key of the least dangerous
// rank that exceeds its part of the table.
func (k *keyspace) victim() uint32 {
	for r := range k.queues {
		if q := &k.queues[r]; q.n > k.capacity/minRankShare {
			return q.oldest
		}
	}
	return 0 // not reached in a full table
}

// reserve makes n nodes available by evicting the least dangerous keys that hold any.
// The caller's own key must be claimed, and so is in no queue.
func (k *keyspace) reserve(n int, e *evidence) {
	for r := 1; r < rankCount && k.nodes.available() < n; r += 2 {
		q := &k.queues[r]
		for q.n > 0 && k.nodes.available() < n {
			k.evict(q.oldest, e)
		}
	}
}

// sensorLag is how far one sensor may lag behind another. Observations are kept that
// much longer than their window before a key is dropped.
const sensorLag = 60 * 1_000_000 // µs

// assess removes expired observations from the windows of key i. It returns the rank
// at a time, and when (in seconds) to assess the key again.
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

// seconds returns the first full second after a time in µs.
func seconds(at int64) uint32 { return uint32(min(at/1_000_000+1, 1<<32-1)) }

// sweep lowers ranks over time: for every observation, a clock hand advances by two
// keys and assesses those that are due. A key without observations is removed. A key
// that became less dangerous goes to the oldest end of its new queue, because it has
// not been seen for a while.
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
