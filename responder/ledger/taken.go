package ledger

import (
	"context"
	"database/sql"
	"time"
)

// Taken returns the accounts whose password an incident changed, or which it locked or took
// the registrations of, and when its threshold was last crossed: since then. Steps that
// were skipped do not count, nor what a person ordered: the incident of `compromise` begins at
// the time of that action.
func (l *Ledger) Taken(ctx context.Context, since time.Time) (map[string]time.Time, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) (map[string]time.Time, error) {
		rows, err := db.QueryContext(ctx, `SELECT s.target, max(i.at) FROM incidents i JOIN steps s ON s.incident = i.id
			WHERE i.at >= ? AND i.mode = 'enforce' AND s.state <> 'skipped' AND s.step IN ('rotate', 'lock', 'remove-registrations', 'expire-contacts')
				AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.at = s.started_at AND a.action = 'compromise' AND a.target = s.target)
			GROUP BY s.target`, since.UnixMilli())
		last := make(map[string]time.Time)
		_, err = collect(rows, err, func(rows *sql.Rows) (_ struct{}, err error) {
			var account string
			var at sql.NullInt64
			err = rows.Scan(&account, &at)
			last[account] = fromMillis(at)
			return struct{}{}, err
		})
		return last, err
	})
}
