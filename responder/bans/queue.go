package bans

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Firewall is what bans need of the kernel. Calls may come from any goroutine.
type Firewall interface {
	// Ban drops the prefixes until their times, all of them or none; a prefix
	// already dropped gets the new time.
	Ban(now time.Time, bans []incident.Ban) error
	// Release lets the prefixes through again; one not dropped is fine.
	Release(prefixes ...netip.Prefix) error
	// Reconcile makes exactly these the bans in force, and a table anew that is
	// not as it should be. What is banned before and after is dropped all along.
	// With an ErrFull the bans that end last are in force.
	Reconcile(now time.Time, bans []incident.Ban) error
	// Bans are the prefixes dropped now and their times, as far as they were
	// read.
	Bans(now time.Time) []incident.Ban
	// Allow replaces the list of what is let through whatever is banned.
	Allow(prefixes []netip.Prefix) error
}

// maxQueued bounds the changes waiting for the kernel. One takes microseconds,
// so a full queue means that the kernel refuses or is held up; then nothing is
// lost either: the registry holds every ban, and a reconcile brings all of them
// in.
const maxQueued = 1 << 16

// maxBatch is the most bans given to the kernel in one go.
const maxBatch = 4096

const (
	// retryEvery is how often a kernel that refused is tried again.
	retryEvery = time.Second
	// roomEvery is the same for a table that is full: every ban in force is
	// compared with it, and room comes as bans end.
	roomEvery = time.Minute
)

// ErrFull says that the kernel's table has no room for all bans.
var ErrFull = errors.New("the kernel's table is full")

// ErrBusy reports a change for which the queue to the kernel had no room.
var ErrBusy = errors.New("too many changes are waiting for the kernel: try again in a second")

// KernelQueue carries changes into the kernel in their order: one goroutine,
// apart from everything that waits for disks or for Asterisk, taking all that is
// queued in one batch. Since a change is queued under the lock under which the
// registry was changed, the kernel ends up as the registry is.
type KernelQueue struct {
	firewall Firewall
	inForce  func(now time.Time) []incident.Ban // what the registry holds
	// Reconciled, unless it is nil, is called from Run's goroutine when the kernel
	// drops every ban of the registry. It is to be set before Run.
	Reconciled func(now time.Time)
	log        zerolog.Logger
	changesC   chan change
	missed     atomic.Bool // a change did not fit since the last reconcile
	full       atomic.Bool // bans in force do not fit into the kernel's table

	refused []change // what the kernel refused, until a reconcile brings it in
}

// change is one thing to do in the kernel, and what to call with its outcome.
// With neither ban nor release it is a reconcile.
type change struct {
	ban     incident.Ban
	release []netip.Prefix
	done    func(error)
}

// NewKernelQueue makes a queue to a firewall. inForce is called from Run's
// goroutine for every ban of the registry.
func NewKernelQueue(firewall Firewall, inForce func(now time.Time) []incident.Ban, log zerolog.Logger) *KernelQueue {
	return &KernelQueue{firewall: firewall, inForce: inForce, log: log, changesC: make(chan change, maxQueued)}
}

// Ban queues a ban without waiting. done is called from Run's goroutine with the
// outcome, and again with nil when the kernel takes what it refused before.
// False means that there is no room, and that a reconcile will bring the ban in.
func (q *KernelQueue) Ban(ban incident.Ban, done func(error)) bool {
	return q.push(change{ban: ban, done: done})
}

// Release queues the release of prefixes without waiting; see Ban.
func (q *KernelQueue) Release(prefixes []netip.Prefix, done func(error)) bool {
	return q.push(change{release: prefixes, done: done})
}

// Reconcile makes the kernel drop exactly what the registry holds, and waits for
// it. Run must be running.
func (q *KernelQueue) Reconcile(ctx context.Context) error {
	doneC := make(chan error, 1)
	if !q.push(change{done: answer(doneC)}) {
		return ErrBusy
	}
	select {
	case err := <-doneC:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer takes the first outcome of a change that a caller waits for.
func answer(doneC chan<- error) func(error) {
	return func(err error) {
		select {
		case doneC <- err:
		default: // answered before
		}
	}
}

func (q *KernelQueue) push(c change) bool {
	select {
	case q.changesC <- c:
		return true
	default:
		q.missed.Store(true)
		return false
	}
}

// Run carries changes until ctx ends; what is queued then is still carried out.
func (q *KernelQueue) Run(ctx context.Context) {
	var retry <-chan time.Time // nil while all is well
	if q.full.Load() {
		retry = time.After(roomEvery)
	}
	var batch []change
	for {
		select {
		case c := <-q.changesC:
			batch = q.collect(append(batch[:0], c))
			q.carry(batch)
			if (q.missed.Swap(false) || len(q.refused) > 0) && retry == nil {
				retry = time.After(q.pause())
			}
		case <-retry:
			if retry = nil; q.reconcileNow() != nil {
				retry = time.After(q.pause())
			}
		case <-ctx.Done():
			for batch = q.collect(batch[:0]); len(batch) > 0; batch = q.collect(batch[:0]) {
				q.carry(batch)
			}
			return
		}
	}
}

func (q *KernelQueue) collect(batch []change) []change {
	for len(batch) < maxBatch {
		select {
		case c := <-q.changesC:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

func (q *KernelQueue) pause() time.Duration {
	if q.full.Load() {
		return roomEvery
	}
	return retryEvery
}

// Full says whether bans in force do not fit into the kernel's table. It may be
// called from any goroutine.
func (q *KernelQueue) Full() bool { return q.full.Load() }

// SetFull says that a reconcile before Run found no room for all bans: Run tries
// again.
func (q *KernelQueue) SetFull() { q.full.Store(true) }

// carry brings one batch into the kernel in its order. When the kernel refuses,
// the table may be damaged or gone: everything is reconciled, the batch
// included. When it is full, each change is tried by itself.
func (q *KernelQueue) carry(batch []change) {
	err := q.apply(time.Now(), batch)
	if err != nil && !errors.Is(err, ErrFull) {
		q.log.Error().Err(err).Msg("the kernel refused changes: reconciling the whole table")
		err = q.reconcileNow()
	}
	if errors.Is(err, ErrFull) && len(batch) > 1 {
		for _, c := range batch {
			q.settle([]change{c}, q.apply(time.Now(), []change{c}))
		}
		return
	}
	q.settle(batch, err)
}

// settle reports the outcome of changes, and remembers those that the kernel
// refused.
func (q *KernelQueue) settle(batch []change, err error) {
	for _, c := range batch {
		c.done(err)
	}
	if err == nil {
		return
	}
	if errors.Is(err, ErrFull) && !q.full.Swap(true) {
		q.log.Error().Err(err).Msg("the kernel's table is full: new bans are refused until others end")
	}
	if len(q.refused)+len(batch) <= maxQueued {
		q.refused = append(q.refused, batch...)
	}
}

// apply groups neighbours of one kind into one call each.
func (q *KernelQueue) apply(now time.Time, batch []change) error {
	var bans []incident.Ban
	ban := func() error {
		if len(bans) == 0 {
			return nil
		}
		err := q.firewall.Ban(now, bans)
		bans = bans[:0]
		return err
	}
	for _, c := range batch {
		switch {
		case c.ban.Prefix.IsValid():
			bans = append(bans, c.ban)
		case c.release != nil:
			if err := ban(); err != nil {
				return err
			}
			if err := q.firewall.Release(c.release...); err != nil {
				return err
			}
		default:
			if err := ban(); err != nil {
				return err
			}
			if err := q.firewall.Reconcile(now, q.inForce(now)); err != nil {
				return err
			}
			q.reconciled()
		}
	}
	return ban()
}

// reconcileNow makes the kernel drop exactly what the registry holds.
func (q *KernelQueue) reconcileNow() error {
	now := time.Now()
	err := q.firewall.Reconcile(now, q.inForce(now))
	q.full.Store(errors.Is(err, ErrFull))
	if err != nil {
		return err
	}
	q.log.Warn().Msg("the kernel's table is reconciled with every ban in force")
	for _, c := range q.refused {
		c.done(nil)
	}
	q.refused = nil
	q.reconciled()
	return nil
}

func (q *KernelQueue) reconciled() {
	if q.Reconciled != nil {
		q.Reconciled(time.Now())
	}
}
