package ledger

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// DefaultSize is the size of a file that is not set otherwise. A year of a busy site takes
// a tenth of it, and it fits on the smallest virtual server.
const DefaultSize = 256_000_000

// Options set a Ledger up. The zero value is ready to use.
type Options struct {
	// Retention is how long ended bans, offences, incidents and operators' actions
	// are kept. Zero means 400 days. It must be longer than the ladder's `forget`.
	Retention time.Duration
	// KeepPlaces is how long a place is kept after its last success. Zero means
	// 30 days.
	KeepPlaces time.Duration
	// MaxRows bounds each table that attackers can make grow (evidence: a hundred
	// times that). Beyond it the oldest rows are pruned early; a ban in force never
	// is. Zero means 200,000.
	MaxRows int
	// Size bounds the file in bytes. As it comes near, the oldest incidents are pruned
	// early, those of floods first, but for the newest MaxRows/200. Zero means
	// DefaultSize.
	Size int64
	// Queue bounds the rows of one kind that wait in memory for the disk. Zero
	// means 32,768.
	Queue int
	// Now is the clock that says which rows are old. Zero means time.Now.
	Now func() time.Time
	// Log records trouble with the file and recoveries. The zero Logger discards.
	Log zerolog.Logger

	// linger is how long the first change of a batch waits for others if no
	// flush waits for it and it contains no ban; 10 ms except in tests. It limits
	// such batches to a hundred syncs per second.
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
	if o.Size <= 0 {
		o.Size = DefaultSize
	}
	if o.Queue <= 0 {
		o.Queue = 32_768
	}
	if o.Now == nil {
		o.Now = time.Now
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
	// stuckAfter is the lag at which a disk that neither fails nor answers counts
	// as degraded.
	stuckAfter = 10 * time.Second
)

// Ledger is the open ledger. Its methods may be called from many goroutines.
type Ledger struct {
	path string // empty: in memory only
	o    Options

	wakeC  chan struct{} // changes are waiting
	hurryC chan struct{} // there is a ban among them, which a power cut must not lose
	urgeC  chan struct{} // a flush waits for them
	stopC  chan struct{} // Close was called
	doneC  chan struct{} // the owner goroutine has ended

	mu       sync.Mutex
	closed   bool
	queue    queue
	flight   []*pending // taken from the queue, not durable yet
	waiters  []*waiter
	places   seen
	nextID   int64 // the next incident's
	rowID    int64 // the last evidence or action row's
	trouble  trouble
	damage   error  // found by a reader and not handled yet
	evicted  uint64 // rows pruned early
	poisoned [kinds]uint64

	// file guards store: readers hold it while they read, and the owner goroutine,
	// which alone changes store, holds it while doing so. Writing does not need it.
	file  sync.RWMutex
	store *store

	// These belong to the owner goroutine.
	reopen bool // reopen the file before the next write
	prune  pruner
}

// Open opens the ledger file at path, creating it (mode 0600) and its directory
// (0700) if they are missing, and starts the goroutine that writes. An empty path
// keeps everything in memory.
//
// Open fails only if continuing would do harm: ErrNewer means that the file was
// written by a newer version, ErrForeign that it is another program's database.
// Health reports anything else that is wrong with the disk; the Ledger then keeps
// changes in memory and writes them when it can.
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

// blindID is the first incident number while the file cannot be read and the
// highest number used is unknown: the seconds since 2020, which exceed any number
// in it because there is less than one incident per second.
func blindID(now time.Time) int64 {
	return max(1, now.Unix()-time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
}

// Close writes what is queued, with one attempt, and waits for the owner
// goroutine to end. The error says how many rows were lost.
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
		l.queue.of[c.kind()].dropped += uint64(c.rows())
		return
	}
	if lost := l.queue.put(c, now); lost > 0 {
		l.settleLocked(lost)
	}
}

// refuse counts an invalid change, such as one without a prefix.
func (l *Ledger) refuse(k kind) {
	l.mu.Lock()
	l.queue.of[k].dropped++
	l.mu.Unlock()
}

// signal makes sure that c's reader wakes up.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
