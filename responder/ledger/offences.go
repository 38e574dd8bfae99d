package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"time"
)

// AddOffence records an offence of an address. Two in the same millisecond count
// as one. It does not wait.
func (l *Ledger) AddOffence(prefix netip.Prefix, at time.Time) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(addOffence{prefix.Masked(), moment(at)})
}

// ForgetOffences removes all offences of an address, when an operator forgives
// them. It does not wait.
func (l *Ledger) ForgetOffences(prefix netip.Prefix) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(forgetOffences{prefix.Masked()})
}

// Record says how often an address has offended, or was banned on evidence that may
// be spoofed, and when that last was.
type Record struct {
	Prefix netip.Prefix // the source: /32 or /64
	Number int
	Last   time.Time
}

const offenceQuery = `SELECT prefix, count(*), max(at) FROM offences WHERE at >= ? GROUP BY prefix`

// Offences returns the records of the addresses with offences at since or later,
// counting only those.
func (l *Ledger) Offences(ctx context.Context, since time.Time) ([]Record, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Record, error) {
		rows, err := db.QueryContext(ctx, offenceQuery, since.UnixMilli())
		return collect(rows, err, scanRecord)
	})
}

func scanRecord(rows *sql.Rows) (r Record, err error) {
	var prefix string
	var last sql.NullInt64
	if err := rows.Scan(&prefix, &r.Number, &last); err != nil {
		return r, err
	}
	r.Last = fromMillis(last)
	r.Prefix, err = netip.ParsePrefix(prefix)
	return r, err
}

type addOffence struct {
	prefix netip.Prefix
	at     time.Time
}

func (addOffence) kind() kind { return kindOffence }
func (c addOffence) key() any { return c.prefix }
func (addOffence) rows() int  { return 1 }

func (c addOffence) merge(newer change) (change, bool) { return c, newer == change(c) }

func (c addOffence) write(w *writer) error {
	return w.exec(`INSERT OR IGNORE INTO offences (prefix, at) VALUES (?, ?)`, c.prefix.String(), c.at.UnixMilli())
}

type forgetOffences struct{ prefix netip.Prefix }

func (forgetOffences) kind() kind { return kindOffence }
func (c forgetOffences) key() any { return c.prefix }
func (forgetOffences) rows() int  { return 1 }

func (c forgetOffences) merge(newer change) (change, bool) { return c, newer == change(c) }

func (c forgetOffences) write(w *writer) error {
	return w.exec(`DELETE FROM offences WHERE prefix = ?`, c.prefix.String())
}
