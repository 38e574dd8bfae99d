package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"time"
)

// PutRepeat records how many times in a row a prefix was banned on evidence that
// may be spoofed, and when last. It does not wait.
func (l *Ledger) PutRepeat(r Record) {
	if !r.Prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(putRepeat{Record{r.Prefix.Masked(), r.Number, moment(r.Last)}})
}

// ForgetRepeats makes the next such ban of a prefix a first one. It does not wait.
func (l *Ledger) ForgetRepeats(prefix netip.Prefix) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(forgetRepeats{repeatKey{prefix.Masked()}})
}

// Repeats returns what PutRepeat recorded of the prefixes whose last such ban
// began at since or later.
func (l *Ledger) Repeats(ctx context.Context, since time.Time) ([]Record, error) {
	return read(ctx, l, func(ctx context.Context, db *sql.DB) ([]Record, error) {
		rows, err := db.QueryContext(ctx, `SELECT prefix, number, last FROM repeats WHERE last >= ?`, since.UnixMilli())
		return collect(rows, err, scanRecord)
	})
}

// repeatKey keeps the repeats of a prefix apart from its offences.
type repeatKey struct{ prefix netip.Prefix }

type putRepeat struct{ Record }

func (putRepeat) kind() kind { return kindOffence }
func (c putRepeat) key() any { return repeatKey{c.Prefix} }
func (putRepeat) rows() int  { return 1 }

func (putRepeat) merge(newer change) (change, bool) { return newer, true }

func (c putRepeat) write(w *writer) error {
	return w.exec(`INSERT OR REPLACE INTO repeats (prefix, number, last) VALUES (?, ?, ?)`, c.Prefix.String(), c.Number, c.Last.UnixMilli())
}

type forgetRepeats struct{ repeatKey }

func (forgetRepeats) kind() kind { return kindOffence }
func (c forgetRepeats) key() any { return c.repeatKey }
func (forgetRepeats) rows() int  { return 1 }

func (forgetRepeats) merge(newer change) (change, bool) { return newer, true }

func (c forgetRepeats) write(w *writer) error {
	return w.exec(`DELETE FROM repeats WHERE prefix = ?`, c.prefix.String())
}
