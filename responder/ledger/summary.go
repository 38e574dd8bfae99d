package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// Summary counts what happened since a time.
type Summary struct {
	// Incidents are by threshold, the most frequent first.
	Incidents []ThresholdCount
	BreakIns  int // incidents in which somebody logged in after guesses
	Bans      int // addresses and networks that were banned, however often; those of people, too
}

// ThresholdCount is how many incidents a threshold had.
type ThresholdCount struct {
	Threshold string
	N         int
}

// Summary counts the incidents and bans since a time, as far as they are on record.
func (l *Ledger) Summary(ctx context.Context, since time.Time) (Summary, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) (s Summary, err error) {
		rows, err := db.QueryContext(ctx, `SELECT threshold, count(*) FROM incidents WHERE at >= ? GROUP BY threshold ORDER BY 2 DESC, 1`, since.UnixMilli())
		s.Incidents, err = collect(rows, err, func(rows *sql.Rows) (c ThresholdCount, err error) {
			err = rows.Scan(&c.Threshold, &c.N)
			return c, err
		})
		if err == nil {
			err = db.QueryRowContext(ctx, `SELECT count(*) FROM incidents WHERE at >= ? AND EXISTS
				(SELECT 1 FROM evidence WHERE incident = incidents.id AND signal = ?)`, since.UnixMilli(), score.SuccessAfterFailures.String()).Scan(&s.BreakIns)
		}
		if err == nil {
			err = db.QueryRowContext(ctx, `SELECT count(DISTINCT prefix) FROM bans WHERE since >= ?`, since.UnixMilli()).Scan(&s.Bans)
		}
		return s, err
	})
}
