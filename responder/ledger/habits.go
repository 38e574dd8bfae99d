package ledger

import (
	"context"
	"database/sql"
	"time"
)

// Habit is something that an account usually does.
type Habit struct {
	Account     string // "" for the daemon itself
	Kind        string
	Value       string
	First, Last time.Time
}

// PutHabit records a habit, or that it was seen again: the earlier First and the
// later Last are kept. It does not wait.
func (l *Ledger) PutHabit(h Habit) {
	h.Account, h.Kind, h.Value = text(h.Account), text(h.Kind), text(h.Value)
	h.First, h.Last = moment(h.First), moment(h.Last)
	l.put(putHabit{h})
}

// Habits returns all habits, ordered by account, kind and value.
func (l *Ledger) Habits(ctx context.Context) ([]Habit, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Habit, error) {
		rows, err := db.QueryContext(ctx, `SELECT account, kind, value, first, last FROM habits ORDER BY account, kind, value`)
		return collect(rows, err, func(rows *sql.Rows) (h Habit, err error) {
			var first, last sql.NullInt64
			err = rows.Scan(&h.Account, &h.Kind, &h.Value, &first, &last)
			h.First, h.Last = fromMillis(first), fromMillis(last)
			return h, err
		})
	})
}

type habitKey struct{ account, habit, value string }

type putHabit struct{ Habit }

func (putHabit) kind() kind { return kindHabit }
func (c putHabit) key() any { return habitKey{c.Account, c.Kind, c.Value} }
func (putHabit) rows() int  { return 1 }

func (c putHabit) merge(newer change) (change, bool) {
	h := newer.(putHabit)
	if c.First.Before(h.First) {
		h.First = c.First
	}
	if c.Last.After(h.Last) {
		h.Last = c.Last
	}
	return h, true
}

func (c putHabit) write(w *writer) error {
	return w.exec(`INSERT INTO habits (account, kind, value, first, last) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (account, kind, value) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`,
		c.Account, c.Kind, c.Value, c.First.UnixMilli(), c.Last.UnixMilli())
}
