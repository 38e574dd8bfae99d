package ledger

import (
	"errors"
	"fmt"
	"time"
)

// run is the owner goroutine: the only one that writes to the file.
func (l *Ledger) run() {
	defer close(l.doneC)
	pruneTimer := time.NewTimer(pruneFirst)
	defer pruneTimer.Stop()

	var pause time.Duration // zero unless the last attempt failed
	var retryC <-chan time.Time
	if !l.Health().OK() {
		pause = retryFirst
		retryC = time.After(pause)
	}
	for {
		due := false
		select {
		case <-l.wakeC:
			if pause > 0 {
				continue // retryC decides when
			}
			l.linger()
		case <-l.urgeC:
		case <-retryC:
			due = true
		case <-pruneTimer.C:
			l.prune.begin(l.o.Now(), l.o)
			pruneTimer.Reset(pruneEvery)
		case <-l.stopC:
			_ = l.attempt() // Close reports it
			l.file.Lock()
			l.shut()
			l.file.Unlock()
			return
		}
		if err := l.attempt(); err != nil {
			// An attempt requested by a flush does not change the schedule.
			if due || retryC == nil {
				pause = min(max(2*pause, retryFirst), retryMost)
				retryC = time.After(pause)
			}
			continue
		}
		pause, retryC = 0, nil
		if l.prune.due() {
			l.prune.begin(l.o.Now(), l.o)
		}
		l.pruneSome()
	}
}

// linger gives a batch time to grow, unless it contains a ban or a flush waits.
func (l *Ledger) linger() {
	select {
	case <-time.After(l.o.linger):
	case <-l.hurryC:
	case <-l.urgeC:
	case <-l.stopC:
	}
}

// attempt writes everything that is queued.
func (l *Ledger) attempt() error {
	err := l.drain()
	if isDamage(err) {
		// Try again with the fresh file.
		l.file.Lock()
		err = l.beginAfresh(err)
		l.file.Unlock()
		if err == nil {
			err = l.drain()
		}
	}
	if err != nil {
		l.failed(err)
		// Neither a full disk nor a lock makes the open file useless.
		l.reopen = !isFull(err) && !isBusy(err)
		return err
	}
	l.recovered()
	return nil
}

// drain writes everything that is queued when it begins, or stops at the first
// failure. Later changes wait for the next round, so that a steady stream neither
// makes each row its own batch nor keeps the owner from its other work.
func (l *Ledger) drain() error {
	if err := l.suspicion(); err != nil {
		return err
	}
	l.mu.Lock()
	upTo := l.queue.seq
	l.mu.Unlock()
	for {
		if err := l.ready(); err != nil {
			return err
		}
		batch := l.nextBatch(upTo)
		if len(batch) == 0 {
			return nil
		}
		if err := l.write(batch); err != nil {
			return explain("write", l.path, err)
		}
		if !l.store.inPlace() {
			continue // it went to a file that has just been taken away
		}
		for _, p := range batch {
			l.prune.written += p.change.rows()
		}
		l.mu.Lock()
		l.flight = nil
		l.settleLocked(0)
		l.mu.Unlock()
	}
}

// nextBatch returns the next batch if any of it has a sequence number up to that
// one. A batch that could not be written is returned again.
func (l *Ledger) nextBatch(upTo uint64) []*pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.low() <= upTo && len(l.flight) == 0 {
		l.flight = l.queue.take(batchRows)
	}
	return l.flight
}

// write commits a batch. A row that is refused for its content, which no retry can
// fix, is left out and counted, so that it does not block the others.
func (l *Ledger) write(batch []*pending) error {
	err := l.store.writer.commit(batch)
	if err == nil || !isRefusal(err) {
		return err
	}
	if len(batch) == 1 {
		c := batch[0].change
		l.o.Log.Error().Err(err).Str("kind", c.kind().String()).Msg("ledger refused a row")
		l.mu.Lock()
		l.poisoned[c.kind()] += uint64(c.rows())
		for _, w := range l.waiters {
			w.lost = w.lost || batch[0].seq <= w.upTo
		}
		l.mu.Unlock()
		return nil
	}
	for i := range batch {
		if err := l.write(batch[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// ready makes sure that the right file is open for writing.
func (l *Ledger) ready() error {
	old := l.store
	gone := old != nil && !old.inPlace()
	if old != nil && old.writer != nil && !l.reopen && !gone {
		return nil
	}
	l.file.Lock()
	defer l.file.Unlock()
	if old != nil && old.writer == nil {
		// SQLite would lend its read-only view of the file to the writer.
		l.shut()
	}
	fresh, err := openStore(l.path)
	if isDamage(err) {
		return l.beginAfresh(err)
	}
	if err != nil {
		if l.store == nil && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrForeign) {
			l.adopt(openForReading(l.path, err))
		}
		return err
	}
	if gone && old.writer != nil {
		rows := salvage(old.writer.conn, fresh.writer)
		l.damaged(fmt.Sprintf("ledger %s was removed while in use: it was rewritten with %d rows", l.path, rows))
	}
	l.adopt(fresh)
	return nil
}

// adopt replaces the open store with s, unless that is nil. The caller holds
// l.file.
func (l *Ledger) adopt(s *store) {
	if s == nil {
		return
	}
	l.shut()
	l.store, l.reopen = s, false
	l.mu.Lock()
	l.nextID = max(l.nextID, s.lastID+1)
	l.mu.Unlock()
}

// shut closes the store. The caller holds l.file.
func (l *Ledger) shut() {
	if l.store != nil {
		l.store.close()
		l.store = nil
	}
}

// beginAfresh moves the damaged file aside and creates a new one with all rows that
// can still be read. The caller holds l.file.
func (l *Ledger) beginAfresh(cause error) error {
	l.shut() // so that SQLite no longer uses the file's name
	kept, err := moveAside(l.path, time.Now())
	if err != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	fresh, err := openStore(l.path)
	if err != nil {
		return err
	}
	rows := 0
	if damaged := openForReading(kept, nil); damaged != nil {
		rows = salvage(damaged.read, fresh.writer)
		damaged.close()
	}
	if fresh.lastID, err = fresh.writer.lastID(); err != nil {
		fresh.close()
		return err
	}
	l.adopt(fresh)
	l.damaged(fmt.Sprintf("ledger %s was damaged (%v): it is kept as %s, and a new one was started with the %d rows that could be read", l.path, cause, kept, rows))
	return nil
}
