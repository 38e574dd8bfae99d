package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"time"
)

// Offences are the remembered offences of one source, for the ladder.
type Offences struct {
	Prefix netip.Prefix
	Times  []time.Time // ascending
}

// Number counts the offences at since or later.
func (o Offences) Number(since time.Time) int {
	i, _ := slices.BinarySearchFunc(o.Times, since, time.Time.Compare)
	return len(o.Times) - i
}

// Last is the time of the latest offence; zero: there is none.
func (o Offences) Last() time.Time {
	if len(o.Times) == 0 {
		return time.Time{}
	}
	return o.Times[len(o.Times)-1]
}

// AddOffence records that a source offended. Two at the same millisecond are
// one. It does not wait.
func (l *Ledger) AddOffence(prefix netip.Prefix, at time.Time) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(addOffence{prefix.Masked(), moment(at)})
}

// ForgetOffences removes all offences of a source, for an operator who forgives.
// It does not wait.
func (l *Ledger) ForgetOffences(prefix netip.Prefix) {
	if !prefix.IsValid() {
		l.refuse(kindOffence)
		return
	}
	l.put(forget{prefix.Masked()})
}

// Offences returns the offences of one source at since or later.
func (l *Ledger) Offences(ctx context.Context, prefix netip.Prefix, since time.Time) (Offences, error) {
	prefix = prefix.Masked()
	all, err := l.offences(ctx, since, `SELECT prefix, at FROM offences WHERE at >= ? AND prefix = ? ORDER BY at`, prefix.String())
	for _, o := range all {
		if o.Prefix == prefix {
			return o, err
		}
	}
	return Offences{Prefix: prefix}, err
}

func (l *Ledger) offences(ctx context.Context, since time.Time, query string, args ...any) ([]Offences, error) {
	changes := l.queued(kindOffence)
	known := make(map[netip.Prefix][]time.Time)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, query, append([]any{since.UnixMilli()}, args...)...)
		offences, err := collect(rows, err, scanOffence)
		for _, o := range offences {
			known[o.prefix] = append(known[o.prefix], o.at)
		}
		return err
	})
	for _, c := range changes {
		switch c := c.(type) {
		case addOffence:
			if i, found := slices.BinarySearchFunc(known[c.prefix], c.at, time.Time.Compare); !found && c.at.UnixMilli() >= since.UnixMilli() {
				known[c.prefix] = slices.Insert(known[c.prefix], i, c.at)
			}
		case forget:
			delete(known, c.prefix)
		}
	}
	all := make([]Offences, 0, len(known))
	for prefix, times := range known {
		all = append(all, Offences{prefix, times})
	}
	slices.SortFunc(all, func(a, b Offences) int { return comparePrefix(a.Prefix, b.Prefix) })
	return all, err
}

func scanOffence(rows *sql.Rows) (o addOffence, err error) {
	var prefix string
	var at sql.NullInt64
	if err := rows.Scan(&prefix, &at); err != nil {
		return o, err
	}
	o.at = fromMillis(at)
	o.prefix, err = netip.ParsePrefix(prefix)
	return o, err
}

type addOffence struct {
	prefix netip.Prefix
	at     time.Time
}

func (addOffence) kind() kind { return kindOffence }
func (c addOffence) key() any { return c.prefix }
func (addOffence) rows() int  { return 1 }

func (c addOffence) merge(newer change) (change, bool) {
	return c, newer == change(c)
}

func (c addOffence) write(w *writer) error {
	return w.exec(`INSERT OR IGNORE INTO offences (prefix, at) VALUES (?, ?)`, c.prefix.String(), c.at.UnixMilli())
}

type forget struct{ prefix netip.Prefix }

func (forget) kind() kind { return kindOffence }
func (c forget) key() any { return c.prefix }
func (forget) rows() int  { return 1 }

func (c forget) merge(newer change) (change, bool) {
	return c, newer == change(c)
}

func (c forget) write(w *writer) error {
	return w.exec(`DELETE FROM offences WHERE prefix = ?`, c.prefix.String())
}
