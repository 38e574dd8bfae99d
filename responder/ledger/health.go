package ledger

import (
	"fmt"
	"time"
)

// Health says whether the ledger can write to its file.
type Health struct {
	// Err says what is wrong and what to do; nil if nothing is.
	Err error
	// Since is when the trouble began, or zero.
	Since time.Time
	// Pending counts the rows that are not durable yet.
	Pending int
	// Lag is the age of the oldest of them.
	Lag time.Duration
	// Dropped counts, by kind, the rows that were lost because they did not fit in
	// memory or were invalid, without the kinds that lost none. A caller that sees
	// "ban" here after a recovery has to put the bans in force again.
	Dropped map[string]uint64
	// Evicted counts the rows pruned early because a table was full.
	Evicted uint64
	// Damage says what was found damaged since the start and where the damaged
	// file is kept, or is "".
	Damage string
}

// OK reports whether the ledger can write to its file.
func (h Health) OK() bool { return h.Err == nil }

// trouble is a lasting failure. The Ledger's mutex guards it.
type trouble struct {
	err    error
	since  time.Time
	damage string
}

// Health reports on the ledger. It never waits for the disk.
func (l *Ledger) Health() Health {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	h := Health{
		Err:     l.trouble.err,
		Since:   l.trouble.since,
		Damage:  l.trouble.damage,
		Pending: l.waiting(),
		Evicted: l.evicted,
		Dropped: make(map[string]uint64),
	}
	var oldest time.Time
	if len(l.flight) > 0 {
		oldest = l.flight[0].since
	} else if o := l.queue.oldest(); o != nil {
		oldest = o.first.since
	}
	if !oldest.IsZero() {
		h.Lag = now.Sub(oldest)
	}
	for k := range kinds {
		if n := l.queue.of[k].dropped + l.poisoned[k]; n > 0 {
			h.Dropped[k.String()] = n
		}
	}
	if h.Err == nil && h.Lag > stuckAfter {
		h.Since = oldest
		h.Err = fmt.Errorf("write ledger %s: the disk has not answered for %s: check it", l.path, h.Lag.Round(time.Second))
	}
	return h
}

// failed records an error that keeps the ledger from its file, and ends the
// impatient flushes.
func (l *Ledger) failed(err error) {
	l.mu.Lock()
	fresh := l.trouble.err == nil || l.trouble.err.Error() != err.Error()
	if l.trouble.err == nil {
		l.trouble.since = time.Now()
	}
	l.trouble.err = err
	l.giveUpLocked()
	l.mu.Unlock()
	if fresh {
		l.o.Log.Error().Err(err).Msg("ledger degraded: keeping changes in memory")
	}
}

// recovered records that the file can be written again.
func (l *Ledger) recovered() {
	l.mu.Lock()
	was := l.trouble
	l.trouble.err, l.trouble.since = nil, time.Time{}
	l.mu.Unlock()
	if was.err != nil {
		l.o.Log.Info().Dur("after", time.Since(was.since)).Msg("ledger recovered: all changes are in the file")
	}
}

// damaged records that a file was moved aside.
func (l *Ledger) damaged(what string) {
	l.mu.Lock()
	l.trouble.damage = what
	l.mu.Unlock()
	l.o.Log.Error().Msg(what)
}
