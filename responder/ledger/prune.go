package ledger

import "time"

const (
	// pruneFirst delays the first round, so that the daemon can start and a clock
	// that was wrong at boot can be set before rows are judged too old.
	pruneFirst = time.Minute
	// pruneEvery bounds how far a table can grow beyond its capacity.
	pruneEvery = time.Hour
	// pruneRows is how many rows one transaction deletes, so that no batch waits long.
	pruneRows = 500
)

// pruner works through the tables in small steps, between batches. It belongs to
// the owner goroutine. Holds are never pruned: without the row, the lock or
// restriction could not be lifted.
type pruner struct {
	left    []pruning
	compact bool // return the freed pages when done
}

// pruning is one statement that is repeated until it finds nothing.
type pruning struct {
	query  string
	args   []any
	crowds bool // it deletes rows early
}

// begin plans a round.
func (p *pruner) begin(now time.Time, o Options) {
	old := []any{pruneRows, now.Add(-o.Retention).UnixMilli()}
	gone := []any{pruneRows, now.Add(-o.KeepPlaces).UnixMilli()}
	most := []any{pruneRows, o.MaxRows}
	all := []any{pruneRows}
	p.left = []pruning{
		{`DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE released_at < ?2 OR until < ?2 LIMIT ?1)`, old, false},
		{`DELETE FROM offences WHERE (prefix, at) IN (SELECT prefix, at FROM offences WHERE at < ?2 LIMIT ?1)`, old, false},
		{`DELETE FROM repeats WHERE prefix IN (SELECT prefix FROM repeats WHERE last < ?2 LIMIT ?1)`, old, false},
		{`DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE at < ?2 LIMIT ?1)`, old, false},
		{`DELETE FROM actions WHERE id IN (SELECT id FROM actions WHERE at < ?2 LIMIT ?1)`, old, false},
		{`DELETE FROM places WHERE (account, prefix) IN (SELECT account, prefix FROM places
			WHERE last_success < ?2 LIMIT ?1)`, gone, false},
		{`DELETE FROM habits WHERE (account, kind, value) IN (SELECT account, kind, value FROM habits
			WHERE last < ?2 LIMIT ?1)`, old, false},

		{`DELETE FROM guesses WHERE (account, prefix) IN (SELECT account, prefix FROM guesses
			WHERE last < ?2 LIMIT ?1)`, []any{pruneRows, now.Add(-keepGuesses).UnixMilli()}, false},

		// A ban without an end or with time left stays, however crowded the table.
		{`DELETE FROM bans WHERE (prefix, since) IN (SELECT prefix, since FROM bans
			WHERE since <= (SELECT since FROM bans ORDER BY since DESC LIMIT 1 OFFSET ?2)
			AND (released_at IS NOT NULL OR until <= ?3) LIMIT ?1)`, append(most, now.UnixMilli()), true},
		{`DELETE FROM offences WHERE (prefix, at) IN (SELECT prefix, at FROM offences
			WHERE at <= (SELECT at FROM offences ORDER BY at DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, most, true},
		{`DELETE FROM repeats WHERE prefix IN (SELECT prefix FROM repeats
			WHERE last <= (SELECT last FROM repeats ORDER BY last DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, most, true},
		{`DELETE FROM incidents WHERE id IN (SELECT id FROM incidents
			WHERE id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, most, true},
		{`DELETE FROM actions WHERE id IN (SELECT id FROM actions
			WHERE id <= (SELECT id FROM actions ORDER BY id DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, most, true},
		{`DELETE FROM places WHERE (account, prefix) IN (SELECT account, prefix FROM places
			WHERE last_success <= (SELECT last_success FROM places ORDER BY last_success DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, most, true},
		{`DELETE FROM habits WHERE (account, kind, value) IN (SELECT account, kind, value FROM habits
			WHERE last <= (SELECT last FROM habits ORDER BY last DESC LIMIT 1 OFFSET ?2) LIMIT ?1)`, most, true},

		{`DELETE FROM guesses WHERE (account, prefix) IN (SELECT account, prefix FROM guesses
			ORDER BY proven > 0 OR own DESC, last DESC LIMIT ?1 OFFSET ?2)`, []any{pruneRows, min(maxGuesses, o.MaxRows)}, true},

		// Rows of incidents that are gone.
		{`DELETE FROM steps WHERE (incident, n) IN (SELECT incident, n FROM steps
			WHERE incident < (SELECT coalesce(min(id), 1 << 62) FROM incidents) LIMIT ?1)`, all, false},
		{`DELETE FROM evidence WHERE (incident, n) IN (SELECT incident, n FROM evidence
			WHERE incident < (SELECT coalesce(min(id), 1 << 62) FROM incidents) LIMIT ?1)`, all, false},
		{`DELETE FROM calls WHERE (incident, channel) IN (SELECT incident, channel FROM calls
			WHERE incident < (SELECT coalesce(min(id), 1 << 62) FROM incidents) LIMIT ?1)`, all, false},
	}
	p.compact = false
}

// pruneStep does one small part of a round and reports whether there is more. A
// part that fails is left to the next round; the next write reports the trouble.
func (l *Ledger) pruneStep() (more bool) {
	p := &l.prune
	if len(p.left) == 0 {
		return false
	}
	now := p.left[0]
	var n int64
	err := l.store.writer.transaction(func() error {
		result, err := l.store.writer.run(now.query, now.args...)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	if err != nil {
		p.left = nil
		if isDamage(err) {
			l.suspect(err)
		}
		return false
	}
	if n > 0 {
		p.compact = true
		if now.crowds {
			l.mu.Lock()
			l.evicted += uint64(n)
			l.mu.Unlock()
		}
		return true
	}
	p.left = p.left[1:]
	if len(p.left) == 0 && p.compact {
		// The next round continues, however far this one got.
		_ = l.store.writer.direct("PRAGMA incremental_vacuum(4096)")
	}
	return len(p.left) > 0
}
