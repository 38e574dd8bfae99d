package responder

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// maxDrops bounds the bans waiting for the kernel. One takes microseconds, so
// a full lane means that the kernel refuses or is held up; then nothing is lost
// either: the book holds every ban, and the lane restores it whole.
const maxDrops = 1 << 16

// laneBatch is the most bans given to the kernel in one go.
const laneBatch = 4096

// repairEvery is how often a kernel that refused is tried again.
const repairEvery = time.Second

// lane carries bans into the kernel: one goroutine, apart from everything that
// waits for disks or for Asterisk, taking all that is queued in one batch.
type lane struct {
	orders chan order
	// drop has the kernel drop what is banned, and restore brings back all that
	// the book holds.
	drop    func(now time.Time, orders []order) error
	restore func(now time.Time) error
	// trouble and mended tell the log that the kernel refuses and that it
	// takes bans again.
	trouble func(error)
	mended  func()

	pushed uint64      // how many orders there were; its owner's lock guards it
	missed atomic.Bool // an order did not fit since the last repair

	refused []order // what the kernel refused, until a repair brings it in
}

// order is one ban on its way and what to call with its outcome.
type order struct {
	ban    Ban
	done   func(error)
	number uint64 // of all orders so far, from 1
}

// push queues a ban without waiting, for a caller at a time. False means that
// the lane is full, and that a repair will bring the ban in.
//
// An idle lane goes to the kernel at once, on the caller's own thread, which is
// awake; another thread then carries on with the caller. To wake one for the
// lane instead would take longer than all the rest.
func (l *lane) push(o order) bool {
	l.pushed++
	o.number = l.pushed
	select {
	case l.orders <- o:
		runtime.Gosched()
		return true
	default:
		l.missed.Store(true)
		return false
	}
}

// run carries bans until ctx ends; what is queued then is still carried out.
func (l *lane) run(ctx context.Context) {
	var retry <-chan time.Time // nil while all is well
	var batch []order
	for {
		select {
		case o := <-l.orders:
			batch = l.collect(append(batch[:0], o))
			l.carry(batch)
			if (l.missed.Swap(false) || len(l.refused) > 0) && retry == nil {
				retry = time.After(repairEvery)
			}
		case <-retry:
			if retry = nil; l.repair() != nil {
				retry = time.After(repairEvery)
			}
		case <-ctx.Done():
			for batch = l.collect(batch[:0]); len(batch) > 0; batch = l.collect(batch[:0]) {
				l.carry(batch)
			}
			return
		}
	}
}

func (l *lane) collect(batch []order) []order {
	for len(batch) < laneBatch {
		select {
		case o := <-l.orders:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// carry puts one batch into the kernel. When the kernel refuses, the table may
// be damaged or gone: the whole book is restored, which includes the batch.
func (l *lane) carry(batch []order) {
	now := time.Now()
	err := l.drop(now, batch)
	if err != nil {
		l.trouble(err)
		if l.repair() == nil {
			err = nil
		}
	}
	for _, o := range batch {
		o.done(err)
	}
	if err != nil && len(l.refused)+len(batch) <= maxDrops {
		l.refused = append(l.refused, batch...)
	}
}

func (l *lane) repair() error {
	now := time.Now()
	if err := l.restore(now); err != nil {
		return err
	}
	l.mended()
	for _, o := range l.refused {
		o.done(nil)
	}
	l.refused = nil
	return nil
}
