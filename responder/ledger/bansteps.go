package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// BanSteps returns, for each target of a ban step since a time, the newest incident with
// such a step, without its steps, evidence and calls.
func (l *Ledger) BanSteps(ctx context.Context, since time.Time) (map[string]incident.Incident, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) (map[string]incident.Incident, error) {
		rows, err := db.QueryContext(ctx, `SELECT s.target, i.id, i.at, i.threshold, i.reason, i.account
			FROM incidents i JOIN steps s ON s.incident = i.id
			WHERE i.at >= ? AND s.step = 'ban' ORDER BY i.id`, since.UnixMilli())
		newest := map[string]incident.Incident{}
		_, err = collect(rows, err, func(rows *sql.Rows) (_ struct{}, err error) {
			var i incident.Incident
			var target string
			var at sql.NullInt64
			err = rows.Scan(&target, &i.ID, &at, &i.Threshold, &i.Reason, &i.Account)
			i.At = fromMillis(at)
			newest[target] = i
			return struct{}{}, err
		})
		return newest, err
	})
}
