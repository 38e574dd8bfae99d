package ledger

import (
	"context"
	"database/sql"
	"time"
)

const (
	// pruneFirst delays the first round, so that the daemon can start and a clock
	// that was wrong at boot can be set before rows are judged too old.
	pruneFirst = time.Minute
	// pruneEvery is how often rows are looked at that only get old.
	pruneEvery = time.Hour
	// pruneAfter is how many rows are written until the next round, so that a flood
	// cannot grow a table far beyond its capacity.
	pruneAfter = 10_000
	// pruneRows is how many rows one transaction deletes, so that no batch waits long.
	pruneRows = 500
	// pruneAtOnce is how many such transactions may follow one another.
	pruneAtOnce = 16
	// pruneWhole is the same for incidents with all that belongs to them.
	pruneWhole = 10
	// maxEnded bounds the bans that ended of addresses that may be spoofed: whoever
	// forges packets brings about any number.
	maxEnded = 2_000
)

// pruner works through the tables in small steps, between batches. It belongs to
// the owner goroutine. Holds are never pruned: without the row, the lock or
// restriction could not be lifted.
type pruner struct {
	left    []pruning
	written int // rows since the last round began
}

// pruning is one statement that is repeated until it finds nothing.
type pruning struct {
	query  string
	args   []any
	crowds bool // it deletes rows early
	over   bool // only as long as the file is larger than it should be
	whole  bool // it selects incidents, which are deleted with all that belongs to them
	shrink bool // it has no query, but returns free pages to the file system
}

// begin plans a round.
func (p *pruner) begin(now time.Time, o Options) {
	old := []any{pruneRows, now.Add(-o.Retention).UnixMilli()}
	gone := []any{pruneRows, now.Add(-o.KeepPlaces).UnixMilli()}
	most := []any{pruneRows, o.MaxRows}
	all, whole := []any{pruneRows}, []any{pruneWhole, o.MaxRows / 200}
	p.written = 0
	p.left = []pruning{
		{query: `DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE released_at < ?2 OR until < ?2 LIMIT ?1)`, args: old},
		{query: `DELETE FROM offences WHERE (prefix, at) IN (SELECT prefix, at FROM offences WHERE at < ?2 LIMIT ?1)`, args: old},
		{query: `DELETE FROM repeats WHERE prefix IN (SELECT prefix FROM repeats WHERE last < ?2 LIMIT ?1)`, args: old},
		{query: `DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE at < ?2 LIMIT ?1)`, args: old},
		{query: `DELETE FROM actions WHERE id IN (SELECT id FROM actions WHERE at < ?2 LIMIT ?1)`, args: old},
		{query: `DELETE FROM places WHERE (account, prefix) IN (SELECT account, prefix FROM places
			WHERE last_success < ?2 LIMIT ?1)`, args: gone},
		{query: `DELETE FROM habits WHERE (account, kind, value) IN (SELECT account, kind, value FROM habits
			WHERE last < ?2 LIMIT ?1)`, args: old},

		{query: `DELETE FROM guesses WHERE (account, prefix) IN (SELECT account, prefix FROM guesses
			WHERE last < ?2 LIMIT ?1)`, args: []any{pruneRows, now.Add(-keepGuesses).UnixMilli()}},

		{query: `DELETE FROM spending WHERE hour IN (SELECT hour FROM spending WHERE hour < ?2 LIMIT ?1)`, args: []any{pruneRows, now.Add(-keepSpent).Unix() / 3600}},
		{query: `DELETE FROM spending WHERE hour IN (SELECT hour FROM spending ORDER BY hour DESC LIMIT ?1 OFFSET ?2)`, args: []any{pruneRows, min(maxSpent, o.MaxRows)}, crowds: true},

		// A ban without an end or with time left stays, however crowded the table.
		{query: `DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE since <= (SELECT since FROM bans ORDER BY since DESC LIMIT 1 OFFSET ?2)
			AND (released_at IS NOT NULL OR until <= ?3) LIMIT ?1)`, args: append(most, now.UnixMilli()), crowds: true},
		{query: `DELETE FROM offences WHERE (prefix, at) IN (SELECT prefix, at FROM offences
			WHERE at <= (SELECT at FROM offences ORDER BY at DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, args: most, crowds: true},
		{query: `DELETE FROM repeats WHERE prefix IN (SELECT prefix FROM repeats
			WHERE last <= (SELECT last FROM repeats ORDER BY last DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, args: most, crowds: true},
		{query: `DELETE FROM incidents WHERE id IN (SELECT id FROM incidents
			WHERE id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, args: most, crowds: true},
		{query: `DELETE FROM actions WHERE id IN (SELECT id FROM actions
			WHERE id <= (SELECT id FROM actions ORDER BY id DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, args: most, crowds: true},
		{query: `DELETE FROM places WHERE (account, prefix) IN (SELECT account, prefix FROM places
			WHERE last_success <= (SELECT last_success FROM places ORDER BY last_success DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, args: most, crowds: true},
		{query: `DELETE FROM habits WHERE (account, kind, value) IN (SELECT account, kind, value FROM habits
			WHERE last <= (SELECT last FROM habits ORDER BY last DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, args: most, crowds: true},

		{query: `DELETE FROM guesses WHERE (account, prefix) IN (SELECT account, prefix FROM guesses
			ORDER BY proven > 0 OR own DESC, last DESC LIMIT ?1 OFFSET ?2)`, args: []any{pruneRows, min(maxGuesses, o.MaxRows)}, crowds: true},

		{
			query: `DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE released_at IS NULL AND until <= ?3 AND scope <> 'all' ORDER BY until DESC LIMIT ?1 OFFSET ?2)`,
			args: []any{2 * pruneRows, min(maxEnded, o.MaxRows), now.UnixMilli()}, crowds: true,
		},

		// What may go if the file is too large: the incidents of floods first, then those of
		// blocked addresses, so that many of them cannot push out a break-in, then the oldest
		// ones. Bans in force, offences, holds and places stay.
		{query: `DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE released_at IS NULL AND until <= ?2 AND scope <> 'all' ORDER BY until LIMIT ?1)`, args: []any{2 * pruneRows, now.UnixMilli()}, crowds: true, over: true},
		{query: `SELECT id FROM incidents WHERE key_kind = 'site' AND id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?2) AND
			(SELECT count(*) FROM steps WHERE incident = id AND step = 'ban') > 1 ORDER BY id LIMIT ?1`, args: whole, crowds: true, over: true, whole: true},
		{query: `SELECT id FROM incidents WHERE key_kind IN ('source', 'network') AND id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?2)
			ORDER BY id LIMIT ?1`, args: whole, crowds: true, over: true, whole: true},
		{query: `SELECT id FROM incidents WHERE id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?2) ORDER BY id LIMIT ?1`, args: whole, crowds: true, over: true, whole: true},
		{query: `DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE released_at IS NOT NULL OR until <= ?2 ORDER BY since LIMIT ?1)`, args: []any{pruneRows, now.UnixMilli()}, crowds: true, over: true},

		// Rows of incidents that are gone.
		{query: `DELETE FROM steps WHERE (incident, n) IN (SELECT incident, n FROM steps
			WHERE incident < (SELECT coalesce(min(id), 1 << 62) FROM incidents) LIMIT ?1)`, args: all},
		{query: `DELETE FROM evidence WHERE (incident, n) IN (SELECT incident, n FROM evidence
			WHERE incident < (SELECT coalesce(min(id), 1 << 62) FROM incidents) LIMIT ?1)`, args: all},
		{query: `DELETE FROM calls WHERE (incident, channel) IN (SELECT incident, channel FROM calls
			WHERE incident < (SELECT coalesce(min(id), 1 << 62) FROM incidents) LIMIT ?1)`, args: all},

		{shrink: true},
	}
}

// due says whether so much was written that the next round should begin.
func (p *pruner) due() bool { return p.written >= pruneAfter && len(p.left) == 0 }

// pruneSome does some of a round. If a flood writes faster than one step at a time can
// delete, it does several.
func (l *Ledger) pruneSome() {
	for range pruneAtOnce {
		if !l.pruneStep() {
			return
		}
		signal(l.wakeC)
		if l.prune.written < pruneAfter {
			return
		}
	}
}

// pruneStep does one small part of a round and reports whether there is more. A
// part that fails is left to the next round; the next write reports the trouble.
func (l *Ledger) pruneStep() (more bool) {
	p := &l.prune
	if len(p.left) == 0 {
		return false
	}
	now := p.left[0]
	n, err := l.pruneOnce(now)
	if err != nil {
		p.left = nil
		if isDamage(err) {
			l.suspect(err)
		}
		return false
	}
	if n > 0 {
		if now.crowds {
			l.mu.Lock()
			l.evicted += uint64(n)
			l.mu.Unlock()
		}
		return true
	}
	p.left = p.left[1:]
	return len(p.left) > 0
}

// pruneOnce runs one statement of a round, and returns how many rows it deleted.
func (l *Ledger) pruneOnce(p pruning) (n int64, err error) {
	w := l.store.writer
	if p.shrink {
		return w.shrink()
	}
	if p.over {
		f, err := w.usage()
		if err != nil || (f.pages-f.free)*f.pageSize <= l.o.Size/10*9 {
			return 0, err
		}
	}
	err = w.transaction(func() error {
		if p.whole {
			n, err = w.deleteIncidents(p.query, p.args...)
			return err
		}
		result, err := w.run(p.query, p.args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, err
}

// deleteIncidents deletes the incidents that a query selects, with all that belongs to
// them.
func (w *writer) deleteIncidents(query string, args ...any) (n int64, err error) {
	rows, err := w.conn.QueryContext(context.Background(), query, args...)
	ids, err := collect(rows, err, func(rows *sql.Rows) (id int64, err error) {
		err = rows.Scan(&id)
		return id, err
	})
	for _, id := range ids {
		for _, q := range []string{
			`DELETE FROM evidence WHERE incident = ?`, `DELETE FROM calls WHERE incident = ?`,
			`DELETE FROM steps WHERE incident = ?`, `DELETE FROM incidents WHERE id = ?`,
		} {
			if err == nil {
				err = w.exec(q, id)
			}
		}
		n++
	}
	return n, err
}

// usage is how full the file is.
type usage struct{ pages, free, pageSize int64 }

func (w *writer) usage() (f usage, err error) {
	err = w.conn.QueryRowContext(context.Background(), `SELECT page_count, freelist_count, page_size
		FROM pragma_page_count, pragma_freelist_count, pragma_page_size`).Scan(&f.pages, &f.free, &f.pageSize)
	return f, err
}

// shrink returns free pages to the file system if they are a quarter of the file: fewer
// will soon be used again. more is 0 if there is nothing left to return.
func (w *writer) shrink() (more int64, err error) {
	before, err := w.usage()
	if err != nil || before.free*4 < before.pages {
		return 0, err
	}
	if err := w.direct("PRAGMA incremental_vacuum(4096)"); err != nil {
		return 0, err
	}
	after, err := w.usage()
	return before.free - after.free, err
}
