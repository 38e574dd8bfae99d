package ledger

import (
	"math"
	"time"
)

// kind sorts changes for the queue's capacity and for the counters.
type kind uint8

const (
	kindBan kind = iota
	kindOffence
	kindIncident
	kindStep
	kindCall
	kindPlace
	kindHabit
	kindAction
	kinds
)

var kindNames = [kinds]string{"ban", "offence", "incident", "step", "call", "place", "habit", "action"}

func (k kind) String() string { return kindNames[k] }

// change is one thing to be written. It is a value: once queued it is replaced,
// never altered, since readers look at it without the lock.
type change interface {
	kind() kind
	// key names the row; changes with equal keys are written in their order.
	key() any
	// rows is what the change counts for in the queue's capacity.
	rows() int
	// merge returns the one change that does what this one and then newer would
	// do, or false when it takes both.
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

// queue holds changes in the order of their arrival until they are durable.
// Each kind has a lane of its own, so that a flood of one pushes out none of
// another. The Ledger's mutex guards it.
type queue struct {
	lanes [kinds]lane
	seq   uint64 // of the newest arrival
	limit int    // rows in one lane
}

type lane struct {
	first, last *pending
	newest      map[any]*pending // by key: the only one that may still merge
	rows        int
	dropped     uint64 // rows that did not fit
}

// put queues c, or merges it into the newest change of its key. Where the lane
// is full its oldest changes give way: they say least about the present. The
// answer is the sequence number of the last one that did, or 0.
func (q *queue) put(c change, now time.Time) (lost uint64) {
	l := &q.lanes[c.kind()]
	key := c.key()
	if old := l.newest[key]; old != nil {
		if merged, ok := old.change.merge(c); ok {
			l.rows += merged.rows() - old.change.rows()
			old.change = merged
			return l.shrink(q.limit)
		}
	}
	q.seq++
	p := &pending{change: c, seq: q.seq, since: now}
	if l.newest == nil {
		l.newest = make(map[any]*pending)
	}
	l.newest[key] = p
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
	l.rows += c.rows()
	return l.shrink(q.limit)
}

// shrink drops the oldest changes until the lane is within its limit. One
// change alone always fits.
func (l *lane) shrink(limit int) (lost uint64) {
	for l.rows > limit && l.first != l.last {
		p := l.pop()
		l.dropped += uint64(p.change.rows())
		lost = p.seq
	}
	return lost
}

func (l *lane) pop() *pending {
	p := l.first
	l.first = p.next
	if l.first == nil {
		l.last = nil
	}
	p.next = nil
	l.rows -= p.change.rows()
	if key := p.change.key(); l.newest[key] == p {
		delete(l.newest, key)
	}
	return p
}

// take removes the oldest changes of all lanes, in order of arrival, about n
// rows of them.
func (q *queue) take(n int) []*pending {
	var batch []*pending
	for rows := 0; rows < n; {
		l := q.oldest()
		if l == nil {
			break
		}
		p := l.pop()
		rows += p.change.rows()
		batch = append(batch, p)
	}
	return batch
}

// oldest is the lane with the oldest change, or nil when all are empty.
func (q *queue) oldest() *lane {
	var found *lane
	low := uint64(math.MaxUint64)
	for i := range q.lanes {
		if l := &q.lanes[i]; l.first != nil && l.first.seq < low {
			found, low = l, l.first.seq
		}
	}
	return found
}

// rows counts all lanes.
func (q *queue) rows() int {
	n := 0
	for i := range q.lanes {
		n += q.lanes[i].rows
	}
	return n
}
