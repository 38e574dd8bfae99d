package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// ErrClosed reports a Flush after Close.
var ErrClosed = errors.New("ledger is closed")

// ErrDropped reports that changes waiting for the disk did not fit in memory.
var ErrDropped = errors.New("changes were dropped")

// errAttempt ends a flush that does not wait for the disk to recover.
var errAttempt = errors.New("writing to disk failed")

// waiter is one flush.
type waiter struct {
	upTo      uint64 // the sequence number of the last change it waits for
	impatient bool   // give up as soon as an attempt to write fails
	doneC     chan struct{}
	err       error // set before doneC is closed; nil: all is durable
	lost      bool  // some of the changes were dropped
}

// Flush waits until everything queued before it is durable, across kill -9 and
// loss of power. While the disk fails it waits until ctx ends; the error then wraps
// ctx's and the disk's. ErrDropped: some of it did not fit in memory.
func (l *Ledger) Flush(ctx context.Context) error { return l.flush(ctx, false) }

// flush is Flush; an impatient one also ends when an attempt to write fails.
func (l *Ledger) flush(ctx context.Context, impatient bool) error {
	l.mu.Lock()
	if l.low() > l.queue.seq {
		l.mu.Unlock()
		return nil
	}
	w := &waiter{upTo: l.queue.seq, impatient: impatient, doneC: make(chan struct{})}
	l.waiters = append(l.waiters, w)
	l.mu.Unlock()
	signal(l.urgeC)

	select {
	case <-w.doneC:
	case <-ctx.Done():
		return l.flushError(ctx.Err())
	case <-l.doneC:
		select {
		case <-w.doneC: // by the last batch
		default:
			return l.flushError(ErrClosed)
		}
	}
	switch {
	case w.err != nil:
		return l.flushError(w.err)
	case w.lost:
		return l.flushError(ErrDropped)
	default:
		return nil
	}
}

func (l *Ledger) flushError(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble.err != nil {
		return fmt.Errorf("flush ledger %s: %w, %d rows pending: %w", l.path, cause, l.waiting(), l.trouble.err)
	}
	return fmt.Errorf("flush ledger %s: %w, %d rows pending", l.path, cause, l.waiting())
}

// low is the lowest sequence number that is not durable yet.
func (l *Ledger) low() uint64 {
	low := uint64(math.MaxUint64)
	if len(l.flight) > 0 {
		low = l.flight[0].seq
	}
	if oldest := l.queue.oldest(); oldest != nil {
		low = min(low, oldest.first.seq)
	}
	return low
}

// waiting counts the rows that are not durable yet.
func (l *Ledger) waiting() int {
	n := l.queue.rows()
	for _, p := range l.flight {
		n += p.change.rows()
	}
	return n
}

// settleLocked ends the flushes whose changes are durable. lost is the sequence
// number of a dropped change, or 0: flushes that waited for it return ErrDropped.
func (l *Ledger) settleLocked(lost uint64) {
	low := l.low()
	l.endLocked(func(w *waiter) bool {
		w.lost = w.lost || (lost > 0 && lost <= w.upTo)
		return low > w.upTo
	})
}

// giveUpLocked ends the impatient flushes after a failed attempt.
func (l *Ledger) giveUpLocked() {
	l.endLocked(func(w *waiter) bool {
		if w.impatient {
			w.err = errAttempt
		}
		return w.impatient
	})
}

// endLocked ends the flushes for which ended is true.
func (l *Ledger) endLocked(ended func(*waiter) bool) {
	open := l.waiters[:0]
	for _, w := range l.waiters {
		if ended(w) {
			close(w.doneC)
			continue
		}
		open = append(open, w)
	}
	clear(l.waiters[len(open):])
	l.waiters = open
}
