package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Options set a Ledger up. The zero value is ready to use.
type Options struct {
	// Retention is how long ended bans, offences, incidents and operator actions
	// are kept. Zero means 400 days. It must be longer than the ladder's `forget`.
	Retention time.Duration
	// KeepPlaces is how long a place is kept after its last success. Zero means
	// 30 days.
	KeepPlaces time.Duration
	// MaxRows bounds each table that strangers can make grow (evidence: a hundred
	// times that). Beyond it the oldest rows go before their time; a ban in force
	// never does. Zero means 200,000.
	MaxRows int
	// Queue bounds the rows of one kind that wait in memory for the disk. Zero
	// means 32,768.
	Queue int
	// Log hears of trouble with the file and of its end. The zero Logger discards.
	Log zerolog.Logger

	// linger is how long the first change of a batch waits for company when
	// nobody waits in Flush and no ban is among them; 10 ms but for tests. It
	// bounds the syncs of such batches to a hundred a second.
	linger time.Duration
}

func (o Options) withDefaults() Options {
	if o.Retention <= 0 {
		o.Retention = 400 * 24 * time.Hour
	}
	if o.KeepPlaces <= 0 {
		o.KeepPlaces = 30 * 24 * time.Hour
	}
	if o.MaxRows <= 0 {
		o.MaxRows = 200_000
	}
	if o.Queue <= 0 {
		o.Queue = 32_768
	}
	if o.linger <= 0 {
		o.linger = 10 * time.Millisecond
	}
	return o
}

const (
	// batchRows is about how many rows one transaction takes: enough to share one
	// sync among many, few enough to fit on a nearly full disk.
	batchRows = 1024
	// retryFirst and retryMost are the pauses between attempts after a failure.
	retryFirst = 100 * time.Millisecond
	retryMost  = 30 * time.Second
	// stuckAfter is the lag at which a disk that does not fail but does not answer
	// either counts as degraded.
	stuckAfter = 10 * time.Second
)

// ErrClosed reports a Flush after Close.
var ErrClosed = errors.New("ledger is closed")

// ErrDropped reports that changes waiting for the disk did not fit in memory.
var ErrDropped = errors.New("changes were dropped")

// Ledger is the open ledger. Its methods may be called from many goroutines.
type Ledger struct {
	path string // empty: in memory only
	o    Options

	wakeC  chan struct{} // rows are waiting
	hurryC chan struct{} // and among them a ban, which a power cut must not take
	urgeC  chan struct{} // and someone waits for them
	stopC  chan struct{} // Close was called
	doneC  chan struct{} // the owner goroutine has ended

	mu       sync.Mutex
	closed   bool
	queue    queue
	flight   []*pending // taken from the queue, not yet durable
	waiters  []*waiter
	places   seen
	nextID   int64 // the next incident's
	rowID    int64 // the last evidence or action row's
	trouble  trouble
	damage   error  // met by a reader, not looked at yet
	crowded  uint64 // rows pruned before their time
	poisoned [kinds]uint64

	// file is held by readers while they read, and by the owner goroutine, which
	// alone changes store, while it changes it. Writing to it does not need it.
	file  sync.RWMutex
	store *store

	// The owner goroutine's own.
	reopen bool // the file should be opened anew before the next write
	prune  pruner
}

// waiter is one Flush.
type waiter struct {
	upTo  uint64
	lost  bool
	doneC chan struct{}
}

// Open opens the ledger file at path, creating it (mode 0600) and its directory
// (0700) where they are missing, and starts the goroutine that writes. An empty
// path keeps everything in memory.
//
// Open fails only where going on would do harm: ErrNewer, the file was written
// by a newer version; ErrForeign, it is another program's database. Whatever
// else is wrong with the disk is told by Health; the Ledger then works in memory
// and catches up when it can.
func Open(path string, o Options) (*Ledger, error) {
	l := &Ledger{
		path:   path,
		o:      o.withDefaults(),
		wakeC:  make(chan struct{}, 1),
		hurryC: make(chan struct{}, 1),
		urgeC:  make(chan struct{}, 1),
		stopC:  make(chan struct{}),
		doneC:  make(chan struct{}),
		rowID:  time.Now().UnixMicro(),
	}
	l.queue.limit = l.o.Queue
	if err := l.ready(); err != nil {
		if errors.Is(err, ErrNewer) || errors.Is(err, ErrForeign) {
			return nil, err
		}
		l.nextID = max(l.nextID, blindID(time.Now()))
		l.failed(err)
	}
	go l.run()
	return l, nil
}

// blindID is where incident numbers begin while the file cannot be read, and so
// the highest number given is unknown: the seconds since 2020 are above any
// number in it, as incidents are rarer than one a second.
func blindID(now time.Time) int64 {
	return max(1, now.Unix()-time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
}

// Close writes what is queued, tries once where the disk fails, and waits for
// the owner goroutine to end. The error tells how many rows were lost.
func (l *Ledger) Close() error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.stopC)
	}
	<-l.doneC
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.waiting(); n > 0 && first {
		return fmt.Errorf("close ledger %s: %d rows could not be written: %w", l.path, n, l.trouble.err)
	}
	return nil
}

// Flush waits until everything queued before it is durable, across kill -9 and
// loss of power. While the disk fails it waits until ctx ends; the error then
// holds ctx's and the disk's. ErrDropped: some of it no longer fitted in memory.
func (l *Ledger) Flush(ctx context.Context) error {
	l.mu.Lock()
	if l.low() > l.queue.seq {
		l.mu.Unlock()
		return nil
	}
	w := &waiter{upTo: l.queue.seq, doneC: make(chan struct{})}
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
	if w.lost {
		return l.flushError(ErrDropped)
	}
	return nil
}

func (l *Ledger) flushError(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble.err != nil {
		return fmt.Errorf("flush ledger %s: %w, %d rows wait: %w", l.path, cause, l.waiting(), l.trouble.err)
	}
	return fmt.Errorf("flush ledger %s: %w, %d rows wait", l.path, cause, l.waiting())
}

// put queues a change and returns at once.
func (l *Ledger) put(c change) {
	now := time.Now()
	l.mu.Lock()
	l.putLocked(c, now)
	l.mu.Unlock()
	signal(l.wakeC)
}

func (l *Ledger) putLocked(c change, now time.Time) {
	if l.closed {
		l.queue.lanes[c.kind()].dropped += uint64(c.rows())
		return
	}
	if lost := l.queue.put(c, now); lost > 0 {
		l.settleLocked(lost)
	}
}

// refuse counts a change that cannot be a row, such as one without a prefix.
func (l *Ledger) refuse(k kind) {
	l.mu.Lock()
	l.queue.lanes[k].dropped++
	l.mu.Unlock()
}

// low is the lowest sequence number that is not durable yet.
func (l *Ledger) low() uint64 {
	low := uint64(math.MaxUint64)
	if len(l.flight) > 0 {
		low = l.flight[0].seq
	}
	if o := l.queue.oldest(); o != nil {
		low = min(low, o.first.seq)
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

// settleLocked ends the waits that are fulfilled. lost is the sequence number
// of a change that was dropped, or 0: who waited for it is told so.
func (l *Ledger) settleLocked(lost uint64) {
	low := l.low()
	open := l.waiters[:0]
	for _, w := range l.waiters {
		w.lost = w.lost || (lost > 0 && lost <= w.upTo)
		if low > w.upTo {
			close(w.doneC)
			continue
		}
		open = append(open, w)
	}
	clear(l.waiters[len(open):])
	l.waiters = open
}

// queued returns the changes of these kinds that are not durable yet, in order.
// Readers take it before they ask the file: a change that becomes durable in
// between is then seen twice, which does no harm, instead of not at all.
func (l *Ledger) queued(of ...kind) []change {
	l.mu.Lock()
	defer l.mu.Unlock()
	var changes []change
	wanted := [kinds]bool{}
	for _, k := range of {
		wanted[k] = true
	}
	for _, p := range l.flight {
		if wanted[p.change.kind()] {
			changes = append(changes, p.change)
		}
	}
	// Merge the wanted lanes by order of arrival.
	var at [kinds]*pending
	for k := range l.queue.lanes {
		if wanted[k] {
			at[k] = l.queue.lanes[k].first
		}
	}
	for {
		next := -1
		for k, p := range at {
			if p != nil && (next < 0 || p.seq < at[next].seq) {
				next = k
			}
		}
		if next < 0 {
			return changes
		}
		changes = append(changes, at[next].change)
		at[next] = at[next].next
	}
}

// signal makes sure that c's reader wakes up.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
