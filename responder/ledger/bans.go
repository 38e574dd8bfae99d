package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"time"
)

// Ban is one episode of a prefix being dropped.
type Ban struct {
	Prefix   netip.Prefix // masked by PutBan
	Since    time.Time
	Until    time.Time // zero: until a person releases it
	Reason   string    // in words
	Origin   string    // a threshold's name, "operator", "kernel", …
	Offence  int       // which offence of the source it answers, from 1; 0: none
	Incident int64     // 0: none
	Scope    string    // what of the source's traffic is dropped

	// ReleasedAt and ReleasedBy tell that and by whom it was ended before its time;
	// "replaced" is a later ban of the same prefix. Only the ledger sets them.
	ReleasedAt time.Time
	ReleasedBy string
}

// replaced is who ended a ban that another one took the place of.
const replaced = "replaced"

// inForce tells whether the ban has time left.
func (b Ban) inForce(now time.Time) bool {
	return b.ReleasedAt.IsZero() && (b.Until.IsZero() || b.Until.After(now))
}

// PutBan records a ban in force. One with the prefix and Since of a ban that is
// there already changes that one; with another Since it begins a new episode and
// ends the one before. It does not wait, and has the disk written to at once: put
// what belongs to the ban before it.
func (l *Ledger) PutBan(b Ban) {
	if !b.Prefix.IsValid() {
		l.refuse(kindBan)
		return
	}
	b.Prefix = b.Prefix.Masked()
	b.Since, b.Until = moment(b.Since), moment(b.Until)
	b.Reason, b.Origin, b.Scope = text(b.Reason), text(b.Origin), text(b.Scope)
	b.ReleasedAt, b.ReleasedBy = time.Time{}, ""
	l.put(putBan{b})
	signal(l.hurryC)
}

// DeleteBan records that a person or a rule ended the ban of prefix before its
// time. Where there is none in force nothing happens. It does not wait.
func (l *Ledger) DeleteBan(prefix netip.Prefix, at time.Time, by string) {
	if !prefix.IsValid() {
		l.refuse(kindBan)
		return
	}
	l.put(release{prefix.Masked(), moment(at), text(by)})
}

// episodes reads bans from the file and plays the queued changes over them.
func (l *Ledger) episodes(ctx context.Context, where string, args ...any) (episodes, error) {
	changes := l.queued(kindBan)
	known := make(episodes)
	err := l.reading(ctx, func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, `SELECT prefix, since, until, reason, origin, offence, incident, scope, released_at, released_by FROM bans WHERE `+where, args...)
		bans, err := collect(rows, err, scanBan)
		for _, b := range bans {
			known[b.Prefix] = append(known[b.Prefix], b)
		}
		return err
	})
	for _, c := range changes {
		switch c := c.(type) {
		case putBan:
			known.put(c.Ban)
		case release:
			known.release(c)
		}
	}
	return known, err
}

func scanBan(rows *sql.Rows) (b Ban, err error) {
	var prefix string
	var since, until, releasedAt sql.NullInt64
	var releasedBy sql.NullString
	if err := rows.Scan(&prefix, &since, &until, &b.Reason, &b.Origin, &b.Offence, &b.Incident, &b.Scope, &releasedAt, &releasedBy); err != nil {
		return b, err
	}
	b.Since, b.Until = fromMillis(since), fromMillis(until)
	b.ReleasedAt, b.ReleasedBy = fromMillis(releasedAt), releasedBy.String
	b.Prefix, err = netip.ParsePrefix(prefix)
	return b, err
}

// episodes does in memory what the statements below do in the file.
type episodes map[netip.Prefix][]Ban

func (e episodes) put(b Ban) {
	of := e[b.Prefix]
	for i := range of {
		if !of[i].Since.Equal(b.Since) && of[i].inForce(b.Since) {
			of[i].ReleasedAt, of[i].ReleasedBy = b.Since, replaced
		}
	}
	of = slices.DeleteFunc(of, func(old Ban) bool { return old.Since.Equal(b.Since) })
	e[b.Prefix] = append(of, b)
}

func (e episodes) release(r release) {
	of := e[r.prefix]
	for i := range of {
		if of[i].inForce(r.at) {
			of[i].ReleasedAt, of[i].ReleasedBy = r.at, r.by
		}
	}
}

type putBan struct{ Ban }

func (putBan) kind() kind { return kindBan }
func (c putBan) key() any { return c.Prefix }
func (putBan) rows() int  { return 1 }

func (c putBan) merge(newer change) (change, bool) {
	if n, ok := newer.(putBan); ok && n.Since.Equal(c.Since) {
		return n, true
	}
	return nil, false
}

func (c putBan) write(w *writer) error {
	prefix, since := c.Prefix.String(), c.Since.UnixMilli()
	err := w.exec(`UPDATE bans SET released_at = ?2, released_by = ?3
		WHERE prefix = ?1 AND since <> ?2 AND released_at IS NULL AND (until IS NULL OR until > ?2)`, prefix, since, replaced)
	if err != nil {
		return err
	}
	return w.exec(`INSERT OR REPLACE INTO bans (prefix, since, until, reason, origin, offence, incident, scope)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, prefix, since, millis(c.Until), c.Reason, c.Origin, c.Offence, c.Incident, c.Scope)
}

type release struct {
	prefix netip.Prefix
	at     time.Time
	by     string
}

func (release) kind() kind { return kindBan }
func (r release) key() any { return r.prefix }
func (release) rows() int  { return 1 }

// merge drops a second release: the first has left nothing to end.
func (r release) merge(newer change) (change, bool) {
	_, again := newer.(release)
	return r, again
}

func (r release) write(w *writer) error {
	return w.exec(`UPDATE bans SET released_at = ?2, released_by = ?3
		WHERE prefix = ?1 AND released_at IS NULL AND (until IS NULL OR until > ?2)`, r.prefix.String(), r.at.UnixMilli(), r.by)
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// sqlLimit is a LIMIT: 0 means none.
func sqlLimit(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// first cuts s to limit elements; 0 means all.
func first[T any](s []T, limit int) []T {
	if limit > 0 && len(s) > limit {
		return s[:limit]
	}
	return s
}
