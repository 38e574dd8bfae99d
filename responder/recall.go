package responder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
)

// recallWithin bounds the reading of the ledger before anything else is done.
const recallWithin = 30 * time.Second

// recallPage is how many bans are taken over at a time: some 10 ms of the
// kernel's, and a millisecond of the events'. Tests make it small.
var recallPage = 4096

// loading is what a start still has to take over.
type loading struct {
	memory *ledger.Recollection // nil: the ledger does not tell
	began  time.Time
	// The responder's lock guards what follows.
	done, total int  // bans
	partial     bool // the ledger did not tell all of them
}

// recall takes over what the ledger and the kernel remember: known places,
// changed secrets, habits, and as many bans as one page holds. Where there are
// more, Run loads the others while the events come in already.
func (r *Responder) recall(now time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), recallWithin)
	defer cancel()
	l := r.parts.Ledger
	places, err := l.Places(ctx, now.Add(-r.policy.BreakIn.Remember))
	r.doubt(err, "the known places")
	for _, p := range places {
		r.breakIn.Know(p.Account, p.Prefix.Addr(), p.LastSuccess)
	}
	rotations, err := l.Rotations(ctx, now.Add(-grace))
	r.doubt(err, "the changed secrets")
	for account, at := range rotations {
		r.rotatedAt[account] = at
	}
	r.recallHabits(ctx, now)
	r.recallHolds(ctx, now)
	r.loading = &loading{began: time.Now()}
	r.loading.memory, err = l.Recall(ctx, now)
	r.loading.partial = err != nil
	r.doubt(err, "the bans and the offences")
	page, more := r.readPage(now)
	err = r.include(now, page)
	if err == nil && !more {
		err = r.loaded(now)
	}
	if err != nil {
		r.loading.close()
		return fmt.Errorf("restore %d bans: %w", len(page), err)
	}
	r.unfinished(ctx, now)
	return nil
}

func (l *loading) close() {
	if l.memory != nil {
		l.memory.Close()
	}
	l.memory = nil
}

func (r *Responder) doubt(err error, what string) {
	switch {
	case errors.Is(err, ledger.ErrBehind):
		r.log.Error().Err(err).Msg("the ledger's file may lack changes to " + what + ": going on with what is in it")
	case err != nil:
		r.log.Error().Err(err).Msg("the ledger could not read " + what + ": going on without")
	}
}

// load takes over the bans that recall left.
func (r *Responder) load(ctx context.Context) {
	defer r.loading.close()
	total, err := r.loading.memory.Count()
	r.doubt(err, "the number of bans")
	r.mu.Lock()
	r.loading.total = total
	r.mu.Unlock()
	r.log.Info().Int("bans", total).Msg("loading the bans; new attackers are stopped meanwhile")
	for more := true; more; {
		now := time.Now()
		var page []Ban
		page, more = r.readPage(now)
		if !r.insistUntil(ctx, func() error { return r.include(now, page) }) {
			return
		}
	}
	if r.insistUntil(ctx, func() error { return r.loaded(time.Now()) }) {
		r.log.Info().Int("bans", r.BanCount()).Dur("took_ms", time.Since(r.loading.began)).Msg("the bans are loaded")
	}
}

// insistUntil does what the kernel may refuse until it does not; false: ctx
// ended before.
func (r *Responder) insistUntil(ctx context.Context, do func() error) bool {
	for told := false; ; told = true {
		err := do()
		if err == nil {
			return true
		}
		if !told {
			r.log.Error().Err(err).Msg("the kernel refused bans of the ledger: tried again every second")
		}
		select {
		case <-time.After(repairEvery):
		case <-ctx.Done():
			return false
		}
	}
}

// readPage brings the next bans of the ledger into the book, but for those
// that the allow list covers by now, which are released. more says whether
// there may be others.
func (r *Responder) readPage(now time.Time) (page []Ban, more bool) {
	if r.loading.memory == nil {
		return nil, false
	}
	rows, err := r.loading.memory.Bans(recallPage)
	r.doubt(err, "all of the bans")
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, row := range rows {
		ban := rememberedBan(row)
		switch {
		case !r.book.recall(ban):
		case r.trust.allowed(ban.Prefix):
			r.book.forget(ban.Prefix)
			r.parts.Ledger.DeleteBan(ban.Prefix, now, byAllowList)
		default:
			page = append(page, ban)
		}
	}
	r.loading.done += len(rows)
	r.loading.partial = r.loading.partial || err != nil
	return page, err == nil && len(rows) == recallPage
}

// include puts recalled bans into the kernel, but for those that something was
// decided about meanwhile.
func (r *Responder) include(now time.Time, page []Ban) error {
	if r.policy.Observe {
		return nil
	}
	r.hand.Lock()
	defer r.hand.Unlock()
	r.mu.Lock()
	page = slices.DeleteFunc(page, func(b Ban) bool { return r.book.isDecided(b.Prefix) })
	r.mu.Unlock()
	return r.parts.Firewall.Include(now, page)
}

// loaded ends the loading, when the book has every ban of the ledger.
func (r *Responder) loaded(now time.Time) error {
	if !r.policy.Observe {
		if err := r.adopt(now); err != nil {
			return err
		}
		// What the kernel has beside the book goes, but where the ledger may have
		// known of it.
		if r.isWhole() {
			if err := r.parts.Firewall.Complete(now); err != nil {
				return err
			}
		}
	}
	r.recallOffences(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	for prefix, was := range r.book.decided {
		if ban, ok := r.book.exact(now, prefix); ok {
			r.reconsider(ban, was)
		}
	}
	r.book.decided = nil
	close(r.loadedC)
	return nil
}

// adopt takes over the bans of the kernel that the ledger does not know.
func (r *Responder) adopt(now time.Time) error {
	var allowed []netip.Prefix
	for found := range slices.Chunk(r.parts.Firewall.Bans(now), recallPage) {
		r.mu.Lock()
		for _, b := range found {
			// The kernel holds overlapping prefixes in pieces, so that a piece of a
			// known ban is not a ban of its own.
			_, known := r.book.covering(now, b.Prefix)
			switch {
			case known || r.book.isDecided(b.Prefix):
			case r.trust.allowed(b.Prefix):
				allowed = append(allowed, b.Prefix)
			default:
				b.Since, b.Origin, b.Reason = now, OriginKernel, "found in the kernel at start, without a record"
				r.book.insert(b)
				r.parts.Ledger.PutBan(ledgerBan(b))
			}
		}
		r.mu.Unlock()
	}
	return r.parts.Firewall.Release(allowed...)
}

// recallOffences adds the offences of before the start to those since, and lets
// go of the ledger's file.
func (r *Responder) recallOffences(now time.Time) {
	if r.loading.memory == nil {
		return
	}
	r.mu.Lock()
	forget := r.policy.Ladder.Forget
	r.mu.Unlock()
	records, err := r.loading.memory.Offences(now.Add(-forget))
	r.doubt(err, "the offences")
	r.loading.close()
	for some := range slices.Chunk(records, recallPage) {
		r.mu.Lock()
		for _, o := range some {
			r.offences.recall(o.Prefix, o.Number, o.Last)
		}
		r.mu.Unlock()
	}
}

// reconsider makes a ban that a threshold brought about while the source's
// earlier bans and offences were not known what it would have been, had they
// been. was is the one it took the place of. The caller holds the lock.
func (r *Responder) reconsider(ban Ban, was *Ban) {
	if r.thresholdOf(ban.Origin) == nil {
		return // an operator's word
	}
	better := ban
	if n := r.offences.count(ban.Since, ban.Prefix); ban.Offence > 0 && n > ban.Offence {
		better.Offence, better.Until = n, r.policy.Ladder.Until(ban.Since, n)
	}
	if was != nil && was.InForce(ban.Since) && was.Claimed() == ban.Claimed() && was.outlasts(better) {
		better.Until = was.Until
	}
	if was != nil && was.InForce(ban.Since) && ban.Claimed() && !was.Claimed() {
		better = *was
	}
	if better == ban {
		return
	}
	r.book.put(better)
	if better.Observed {
		return
	}
	r.parts.Ledger.PutBan(ledgerBan(better))
	if !r.lane.push(order{ban: better, done: func(err error) {
		r.log.Info().AnErr("error", err).Stringer("source", better.Prefix).Str("until", untilString(better)).Msg("a source banned while the bans were loaded had been banned before")
	}}) {
		r.counters.LaneFull++
	}
}

func (b Ban) outlasts(other Ban) bool {
	return !other.Forever() && (b.Forever() || b.Until.After(other.Until))
}

// Loading is how many of the ledger's bans are in force again after a start,
// and of how many, 0 while they are being counted; loading is false when all
// are.
func (r *Responder) Loading() (done, total int, loading bool) {
	if r.isLoaded() {
		return 0, 0, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loading.done, r.loading.total, true
}

// wholeWithin is how long an order about every ban waits until all are loaded.
const wholeWithin = time.Minute

// whole waits until every ban is loaded.
func (r *Responder) whole() error {
	select {
	case <-r.loadedC:
		return nil
	case <-time.After(wholeWithin):
		return fmt.Errorf("%w: the bans are still being loaded: try again when all are", ErrRefused)
	}
}

// fetch brings the ban of a prefix into the book that may not be loaded yet,
// before a person's order about it.
func (r *Responder) fetch(now time.Time, prefix netip.Prefix) {
	if r.isLoaded() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recallWithin)
	defer cancel()
	row, ok, err := r.parts.Ledger.Ban(ctx, now, prefix)
	r.doubt(err, "a ban")
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.book.recall(rememberedBan(row))
}

// Restore brings every ban into the kernel again. While the ledger is read, and
// where it did not tell all, it takes none out: the kernel may hold what the
// book does not know.
func (r *Responder) Restore(now time.Time) error {
	r.hand.Lock()
	defer r.hand.Unlock()
	if r.isLoaded() && r.isWhole() { // asked first: the list may be shorter
		return r.parts.Firewall.Restore(now, r.inForce(now))
	}
	return r.parts.Firewall.Include(now, r.inForce(now))
}

// Rebuild makes the kernel's table anew from what the book has, for a table that
// drops nothing any more.
func (r *Responder) Rebuild(now time.Time) error {
	r.hand.Lock()
	defer r.hand.Unlock()
	return r.parts.Firewall.Restore(now, r.inForce(now))
}

// isWhole says whether the ledger has told all that it was asked so far.
func (r *Responder) isWhole() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.loading.partial
}

func (r *Responder) isLoaded() bool {
	select {
	case <-r.loadedC:
		return true
	default:
		return false
	}
}
