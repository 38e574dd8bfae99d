package ledger

import (
	"context"
	"database/sql"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// maxCalls bounds the calls that one incident shows.
const maxCalls = 10_000

// PutCall records the current state of a call of an incident. The incident and the
// channel identify it. It does not wait.
func (l *Ledger) PutCall(incidentID int64, c incident.Call) {
	for _, s := range []*string{&c.Channel, &c.Account, &c.Dialled, &c.Country} {
		*s = text(*s)
	}
	c.Cost.Currency = text(c.Cost.Currency)
	c.Began, c.Ended, c.Answered = moment(c.Began), moment(c.Ended), moment(c.Answered)
	l.put(putCall{incidentID, c})
}

type callKey struct {
	incident int64
	channel  string
}

type putCall struct {
	incident int64
	incident.Call
}

func (putCall) kind() kind { return kindCall }
func (c putCall) key() any { return callKey{c.incident, c.Channel} }
func (putCall) rows() int  { return 1 }

func (putCall) merge(newer change) (change, bool) { return newer, true }

func (c putCall) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO calls (incident, channel, account, dialled, country, began, ended, answered, cost, currency, estimate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.incident, c.Channel, c.Account, c.Dialled, c.Country, c.Began.UnixMilli(), millis(c.Ended), millis(c.Answered),
		c.Cost.Amount, c.Cost.Currency, c.Cost.Estimate)
}

// readCalls returns the calls of an incident in the order in which they began.
func readCalls(ctx context.Context, db *sql.DB, incidentID int64) ([]incident.Call, error) {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, err
	}
	costs := `cost, currency, estimate`
	if version < spentVersion {
		costs = `0, '', 0`
	}
	rows, err := db.QueryContext(ctx, `SELECT channel, account, dialled, country, began, ended, answered, `+costs+` FROM calls
		WHERE incident = ? ORDER BY began, channel LIMIT ?`, incidentID, maxCalls)
	return collect(rows, err, func(rows *sql.Rows) (c incident.Call, err error) {
		var began, ended, answered sql.NullInt64
		err = rows.Scan(&c.Channel, &c.Account, &c.Dialled, &c.Country, &began, &ended, &answered, &c.Cost.Amount, &c.Cost.Currency, &c.Cost.Estimate)
		c.Began, c.Ended, c.Answered = fromMillis(began), fromMillis(ended), fromMillis(answered)
		return c, err
	})
}

// readCost returns about what the calls of an incident cost together.
func readCost(ctx context.Context, db *sql.DB, incidentID int64) (c incident.Cost, err error) {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version < spentVersion {
		return c, err
	}
	err = db.QueryRowContext(ctx, `SELECT COALESCE(SUM(cost), 0), COALESCE(MAX(currency), ''), COALESCE(MAX(estimate), 0) FROM calls
		WHERE incident = ? AND cost > 0`, incidentID).Scan(&c.Amount, &c.Currency, &c.Estimate)
	return c, err
}
