package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Action is something a person had the daemon do.
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

// nextRow numbers rows that are only ever added. The count begins with the time
// the ledger was opened, in microseconds, and so is new in each run.
func (l *Ledger) nextRow() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rowID++
	return l.rowID
}

// Actions returns what was done at since or later, newest first; at most limit,
// or all for 0.
func (l *Ledger) Actions(ctx context.Context, since time.Time, limit int) ([]Action, error) {
	changes := l.queued(kindAction)
	known := make(map[int64]putAction)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT id, at, uid, action, target, detail FROM actions WHERE at >= ? ORDER BY at DESC, id DESC LIMIT ?`, since.UnixMilli(), sqlLimit(limit))
		actions, err := collect(rows, err, scanAction)
		for _, a := range actions {
			known[a.id] = a
		}
		return err
	})
	for _, c := range changes {
		if a := c.(putAction); a.At.UnixMilli() >= since.UnixMilli() {
			known[a.id] = a
		}
	}
	all := make([]putAction, 0, len(known))
	for _, a := range known {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b putAction) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.id, a.id))
	})
	actions := make([]Action, 0, len(all))
	for _, a := range first(all, limit) {
		actions = append(actions, a.Action)
	}
	return actions, err
}

func scanAction(rows *sql.Rows) (a putAction, err error) {
	var at sql.NullInt64
	err = rows.Scan(&a.id, &at, &a.UID, &a.Action.Action, &a.Target, &a.Detail)
	a.At = fromMillis(at)
	return a, err
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
