package ledger

import (
	"context"
	"database/sql"
	"time"
)

// Action is something that an operator made the daemon do.
type Action struct {
	At     time.Time
	UID    int    // the caller's user id; -1: the daemon itself, 4294967295: unknown
	Action string // ban, unban, allow, rotate, …
	Target string
	Detail string // never a secret
}

// PutAction records an operator's action. It does not wait.
func (l *Ledger) PutAction(a Action) {
	a.At, a.Action, a.Target, a.Detail = moment(a.At), text(a.Action), text(a.Target), text(a.Detail)
	l.put(putAction{l.nextRow(), a})
}

// nextRow numbers rows that are only ever added. It counts up from the time the
// ledger was opened, in microseconds, so numbers are never reused after a restart.
func (l *Ledger) nextRow() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rowID++
	return l.rowID
}

// Actions returns the actions at since or later, newest first; at most limit, or
// all for 0.
func (l *Ledger) Actions(ctx context.Context, since time.Time, limit int) ([]Action, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Action, error) {
		rows, err := db.QueryContext(ctx, `SELECT at, uid, action, target, detail FROM actions
			WHERE at >= ? ORDER BY at DESC, id DESC LIMIT ?`, since.UnixMilli(), sqlLimit(limit))
		return collect(rows, err, func(rows *sql.Rows) (a Action, err error) {
			var at sql.NullInt64
			err = rows.Scan(&at, &a.UID, &a.Action, &a.Target, &a.Detail)
			a.At = fromMillis(at)
			return a, err
		})
	})
}

type putAction struct {
	id int64
	Action
}

func (putAction) kind() kind { return kindAction }
func (c putAction) key() any { return c.id }
func (putAction) rows() int  { return 1 }

func (putAction) merge(change) (change, bool) { return nil, false }

func (c putAction) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO actions (id, at, uid, action, target, detail) VALUES (?, ?, ?, ?, ?, ?)`,
		c.id, c.At.UnixMilli(), c.UID, c.Action.Action, c.Target, c.Detail)
}
