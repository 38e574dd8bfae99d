package ledger

import (
	"context"
	"database/sql"
	"time"
)

// Spent is what an account spent within one hour on costly calls, over a trunk, to a
// place.
type Spent struct {
	Hour                    int64 // since 1970
	Account, Trunk, Place   string
	Risky, Closed, Forgiven bool
	Time                    time.Duration
	Calls                   int
	Money                   int64 // in millionths of the site's currency
	Estimate                bool  // some of the money is at default rates
}

// keepSpent is how long spending is kept: what is usual is learned from it.
const keepSpent = 58 * 24 * time.Hour

// maxSpent bounds its rows. Beyond it, the oldest go.
const maxSpent = 200_000

// AddSpending adds to what was spent within an hour. It does not wait.
func (l *Ledger) AddSpending(s Spent) {
	s.Account, s.Trunk, s.Place = text(s.Account), text(s.Trunk), text(s.Place)
	l.put(addSpent{s})
}

// ForgiveSpending records that what an account has spent since an hour no longer counts
// towards limits; "" is every account. It does not wait.
func (l *Ledger) ForgiveSpending(account string, since int64) {
	l.put(forgiveSpent{text(account), since})
}

// Spending returns what was spent since a time, the oldest first.
func (l *Ledger) Spending(ctx context.Context, since time.Time) ([]Spent, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Spent, error) {
		var version int
		if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version < spentVersion {
			return nil, err
		}
		rows, err := db.QueryContext(ctx, `SELECT hour, account, trunk, place, risky, closed, forgiven, millis, calls, money, estimate
			FROM spending WHERE hour >= ? ORDER BY hour, account, trunk, place`, since.Unix()/3600)
		return collect(rows, err, func(rows *sql.Rows) (s Spent, err error) {
			var millis int64
			err = rows.Scan(&s.Hour, &s.Account, &s.Trunk, &s.Place, &s.Risky, &s.Closed, &s.Forgiven, &millis, &s.Calls, &s.Money, &s.Estimate)
			s.Time = time.Duration(millis) * time.Millisecond
			return s, err
		})
	})
}

// spentVersion is the first schema version with spending.
const spentVersion = 7

// spentKey names a row.
type spentKey struct {
	hour                    int64
	account, trunk, place   string
	risky, closed, forgiven bool
}

type addSpent struct{ Spent }

func (addSpent) kind() kind { return kindSpent }
func (c addSpent) key() any {
	return spentKey{c.Hour, c.Account, c.Trunk, c.Place, c.Risky, c.Closed, c.Forgiven}
}
func (addSpent) rows() int { return 1 }

// merge never merges: what an account has spent may be forgiven between two changes.
func (c addSpent) merge(change) (change, bool) { return nil, false }

func (c addSpent) write(w *writer) error {
	return w.exec(`INSERT INTO spending (hour, account, trunk, place, risky, closed, forgiven, millis, calls, money, estimate)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (hour, account, trunk, place, risky, closed, forgiven) DO UPDATE SET millis = millis + excluded.millis,
			calls = calls + excluded.calls, money = money + excluded.money, estimate = max(estimate, excluded.estimate)`,
		c.Hour, c.Account, c.Trunk, c.Place, c.Risky, c.Closed, c.Forgiven, c.Time.Milliseconds(), c.Calls, c.Money, c.Estimate)
}

type forgiveSpent struct {
	account string
	since   int64
}

func (forgiveSpent) kind() kind                    { return kindSpent }
func (c forgiveSpent) key() any                    { return c }
func (forgiveSpent) rows() int                     { return 1 }
func (c forgiveSpent) merge(change) (change, bool) { return nil, false }

func (c forgiveSpent) write(w *writer) error {
	const these = ` FROM spending WHERE NOT forgiven AND hour >= ?1 AND (account = ?2 OR ?2 = '')`
	err := w.exec(`INSERT INTO spending (hour, account, trunk, place, risky, closed, forgiven, millis, calls, money, estimate)
		SELECT hour, account, trunk, place, risky, closed, 1, millis, calls, money, estimate`+these+`
		ON CONFLICT (hour, account, trunk, place, risky, closed, forgiven) DO UPDATE SET millis = millis + excluded.millis,
			calls = calls + excluded.calls, money = money + excluded.money, estimate = max(estimate, excluded.estimate)`, c.since, c.account)
	if err != nil {
		return err
	}
	return w.exec(`DELETE`+these, c.since, c.account)
}
