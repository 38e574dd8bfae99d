package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"
)

// Call is one call of an account concerned by an incident.
type Call struct {
	Channel string // as Asterisk named it; (incident, Channel) names the call
	Account string
	Dialled string
	Country string // ISO 3166 code; empty: unknown
	Began   time.Time
	Ended   time.Time // zero: it was up when last heard of
	// Answered is when it began to cost; zero: it was not answered, as far as
	// is known.
	Answered time.Time
}

// maxCalls bounds the calls one incident shows.
const maxCalls = 10_000

// PutCall records the present state of a call that an incident concerns. It does
// not wait.
func (l *Ledger) PutCall(incident int64, c Call) {
	for _, s := range []*string{&c.Channel, &c.Account, &c.Dialled, &c.Country} {
		*s = text(*s)
	}
	c.Began, c.Ended, c.Answered = moment(c.Began), moment(c.Ended), moment(c.Answered)
	l.put(putCall{incident, c})
}

type callKey struct {
	incident int64
	channel  string
}

type putCall struct {
	incident int64
	Call
}

func (putCall) kind() kind { return kindCall }
func (c putCall) key() any { return callKey{c.incident, c.Channel} }
func (putCall) rows() int  { return 1 }

func (putCall) merge(newer change) (change, bool) { return newer, true }

func (c putCall) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO calls (incident, channel, account, dialled, country, began, ended, answered) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		c.incident, c.Channel, c.Account, c.Dialled, c.Country, c.Began.UnixMilli(), millis(c.Ended), millis(c.Answered))
}

// addCalls gives an incident its calls, the first one first: those in the file,
// then those queued.
func (i *Incident) addCalls(filed []Call, changes []change) {
	known := make(map[string]Call)
	for _, c := range filed {
		known[c.Channel] = c
	}
	for _, c := range changes {
		if c, ok := c.(putCall); ok && c.incident == i.ID {
			known[c.Channel] = c.Call
		}
	}
	for _, c := range known {
		i.Calls = append(i.Calls, c)
	}
	slices.SortFunc(i.Calls, func(a, b Call) int {
		return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.Channel, b.Channel))
	})
}

func readCalls(ctx context.Context, db *sql.DB, incident int64) ([]Call, error) {
	rows, err := db.QueryContext(ctx, `SELECT channel, account, dialled, country, began, ended, answered FROM calls
		WHERE incident = ? ORDER BY began LIMIT ?`, incident, maxCalls)
	return collect(rows, err, func(rows *sql.Rows) (c Call, err error) {
		var began, ended, answered sql.NullInt64
		err = rows.Scan(&c.Channel, &c.Account, &c.Dialled, &c.Country, &began, &ended, &answered)
		c.Began, c.Ended, c.Answered = fromMillis(began), fromMillis(ended), fromMillis(answered)
		return c, err
	})
}
