package ledger

import (
	"math"
	"time"
)

// kind classifies changes: each kind has its own queue and counters.
type kind uint8

const (
	kindBan kind = iota
	kindOffence
	kindIncident
	kindStep
	kindCall
	kindPlace
	kindHabit
	kindHold
	kindOrder
	kindGuess
	kindSpent
	kindAction
	kinds
)

var kindNames = [kinds]string{"ban", "offence", "incident", "step", "call", "place", "habit", "hold", "order", "guess", "spending", "action"}

func (k kind) String() string { return kindNames[k] }

// change is one thing to be written. It is a value: once queued it is replaced,
// never altered, since the owner goroutine writes it without the lock.
type change interface {
	kind() kind
	// key names the row; changes with equal keys are written in their order.
	key() any
	// rows is how much of the queue's capacity the change takes.
	rows() int
	// merge returns one change with the effect of this one and then newer, or
	// false when there is none.
	merge(newer change) (change, bool)
	write(w *writer) error
}

// pending is a change in the queue.
type pending struct {
	change change
	seq    uint64    // order of arrival
	since  time.Time // when it arrived, for the lag
	next   *pending
}

// queue holds changes in the order of their arrival until they are written. Each
// kind has its own queue, so that a flood of one kind does not displace another. The
// Ledger's mutex guards it.
type queue struct {
	of    [kinds]kindQueue
	seq   uint64 // of the newest arrival
	limit int    // rows of one kind
}

// kindQueue holds the changes of one kind.
type kindQueue struct {
	first, last *pending
	newest      map[any]*pending // by key: the only one that may still merge
	rows        int
	dropped     uint64 // rows that did not fit
}

// put queues c, or merges it into the newest change of its key. When the queue
// of its kind is full, the oldest changes are dropped, because they matter least
// now. lost is the sequence number of the last one dropped, or 0.
func (q *queue) put(c change, now time.Time) (lost uint64) {
	k := &q.of[c.kind()]
	key := c.key()
	if old := k.newest[key]; old != nil {
		if merged, ok := old.change.merge(c); ok {
			k.rows += merged.rows() - old.change.rows()
			old.change = merged
			return k.shrink(q.limit)
		}
	}
	q.seq++
	p := &pending{change: c, seq: q.seq, since: now}
	if k.newest == nil {
		k.newest = make(map[any]*pending)
	}
	k.newest[key] = p
	if k.last == nil {
		k.first = p
	} else {
		k.last.next = p
	}
	k.last = p
	k.rows += c.rows()
	return k.shrink(q.limit)
}

// shrink drops the oldest changes until the queue is within its limit. A single
// change always fits.
func (k *kindQueue) shrink(limit int) (lost uint64) {
	for k.rows > limit && k.first != k.last {
		p := k.pop()
		k.dropped += uint64(p.change.rows())
		lost = p.seq
	}
	return lost
}

// pop removes the oldest change.
func (k *kindQueue) pop() *pending {
	p := k.first
	k.first = p.next
	if k.first == nil {
		k.last = nil
	}
	p.next = nil
	k.rows -= p.change.rows()
	if key := p.change.key(); k.newest[key] == p {
		delete(k.newest, key)
	}
	return p
}

// take removes the oldest changes of all kinds, about n rows, in order of
// arrival.
func (q *queue) take(n int) []*pending {
	var batch []*pending
	for rows := 0; rows < n; {
		k := q.oldest()
		if k == nil {
			break
		}
		p := k.pop()
		rows += p.change.rows()
		batch = append(batch, p)
	}
	return batch
}

// oldest is the queue with the oldest change, or nil when all are empty.
func (q *queue) oldest() *kindQueue {
	var found *kindQueue
	low := uint64(math.MaxUint64)
	for i := range q.of {
		if k := &q.of[i]; k.first != nil && k.first.seq < low {
			found, low = k, k.first.seq
		}
	}
	return found
}

// rows counts the rows of all kinds.
func (q *queue) rows() int {
	n := 0
	for i := range q.of {
		n += q.of[i].rows
	}
	return n
}
