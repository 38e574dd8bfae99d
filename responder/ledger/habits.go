package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Habit is something usual for an account.
type Habit struct {
	Account     string // "" for the daemon itself
	Kind        string
	Value       string
	First, Last time.Time
}

// PutHabit records a habit, or that it still is one: the earlier First and the
// later Last win. It does not wait.
func (l *Ledger) PutHabit(h Habit) {
	h.Account, h.Kind, h.Value = text(h.Account), text(h.Kind), text(h.Value)
	h.First, h.Last = moment(h.First), moment(h.Last)
	l.put(putHabit{h})
}

// DropHabit forgets all habits of an account and a kind. It does not wait.
func (l *Ledger) DropHabit(h Habit) { l.put(dropHabit{habitsKey{text(h.Account), text(h.Kind)}}) }

// Habits returns all habits, ordered by account, kind and value.
func (l *Ledger) Habits(ctx context.Context) ([]Habit, error) {
	changes := l.queued(kindHabit)
	known := make(map[habitKey]Habit)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT account, kind, value, first, last FROM habits`)
		habits, err := collect(rows, err, scanHabit)
		for _, h := range habits {
			known[h.key()] = h
		}
		return err
	})
	for _, c := range changes {
		if gone, ok := c.(dropHabit); ok {
			for key := range known {
				if key.account == gone.account && key.habit == gone.habit {
					delete(known, key)
				}
			}
			continue
		}
		h := c.(putHabit).Habit
		if old, ok := known[h.key()]; ok {
			h = old.with(h)
		}
		known[h.key()] = h
	}
	habits := make([]Habit, 0, len(known))
	for _, h := range known {
		habits = append(habits, h)
	}
	slices.SortFunc(habits, func(a, b Habit) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return habits, err
}

func scanHabit(rows *sql.Rows) (h Habit, err error) {
	var first, last sql.NullInt64
	err = rows.Scan(&h.Account, &h.Kind, &h.Value, &first, &last)
	h.First, h.Last = fromMillis(first), fromMillis(last)
	return h, err
}

type habitKey struct{ account, habit, value string }

func (h Habit) key() habitKey { return habitKey{h.Account, h.Kind, h.Value} }

// with is h after newer was recorded, too.
func (h Habit) with(newer Habit) Habit {
	if newer.First.Before(h.First) {
		h.First = newer.First
	}
	if newer.Last.After(h.Last) {
		h.Last = newer.Last
	}
	return h
}

type putHabit struct{ Habit }

func (putHabit) kind() kind { return kindHabit }
func (c putHabit) key() any { return habitsKey{c.Account, c.Kind} }
func (putHabit) rows() int  { return 1 }

func (c putHabit) merge(newer change) (change, bool) {
	if h, ok := newer.(putHabit); ok && h.Value == c.Value {
		return putHabit{c.with(h.Habit)}, true
	}
	return nil, false
}

func (c putHabit) write(w *writer) error {
	return w.exec(`INSERT INTO habits (account, kind, value, first, last) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (account, kind, value) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)`,
		c.Account, c.Kind, c.Value, c.First.UnixMilli(), c.Last.UnixMilli())
}

// habitsKey names all habits of an account and a kind: they go together, so
// what concerns one of them must not overtake that.
type habitsKey struct{ account, habit string }

type dropHabit struct{ habitsKey }

func (dropHabit) kind() kind                  { return kindHabit }
func (c dropHabit) key() any                  { return c.habitsKey }
func (dropHabit) rows() int                   { return 1 }
func (dropHabit) merge(change) (change, bool) { return nil, false }
func (c dropHabit) write(w *writer) error {
	return w.exec(`DELETE FROM habits WHERE account = ? AND kind = ?`, c.account, c.habit)
}
