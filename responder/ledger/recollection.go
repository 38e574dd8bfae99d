package ledger

import (
	"context"
	"database/sql"
	"net/netip"
	"time"
)

// Recollection reads what a start takes over of very many rows, a part at a
// time. All of it is as the file was when Recall returned, whatever is written
// meanwhile. It is for one goroutine.
type Recollection struct {
	l      *Ledger
	cancel context.CancelFunc
	tx     *sql.Tx
	now    time.Time
	bans   *sql.Rows
}

const banRows = ` FROM bans WHERE released_at IS NULL AND (until IS NULL OR until > ?)`

// Recall begins to read the bans that have time left at now.
func (l *Ledger) Recall(ctx context.Context, now time.Time) (r *Recollection, err error) {
	if err := l.Flush(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r = &Recollection{l: l, cancel: cancel, now: now}
	l.file.RLock() // to begin; the connection then outlives its store
	defer l.file.RUnlock()
	if l.store == nil {
		err = errUnread
	} else if r.tx, err = l.store.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err == nil {
		r.bans, err = r.tx.QueryContext(ctx, `SELECT prefix, since, until, reason, origin, offence, incident, scope`+banRows+` ORDER BY prefix`, now.UnixMilli())
	}
	if err != nil {
		err = r.failed(err)
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close lets go of the file.
func (r *Recollection) Close() {
	if r.tx != nil {
		_ = r.tx.Rollback() // it wrote nothing
	}
	r.cancel()
}

func (r *Recollection) failed(err error) error {
	if isDamage(err) {
		r.l.suspect(err)
	}
	return explain("read", r.l.path, err)
}

// Bans are the next n bans; fewer mean that they were the last.
func (r *Recollection) Bans(n int) (bans []Ban, err error) {
	for len(bans) < n && r.bans.Next() {
		var b Ban
		var prefix string
		var since, until sql.NullInt64
		if err = r.bans.Scan(&prefix, &since, &until, &b.Reason, &b.Origin, &b.Offence, &b.Incident, &b.Scope); err == nil {
			b.Prefix, err = netip.ParsePrefix(prefix)
		}
		if err != nil {
			return bans, r.failed(err)
		}
		b.Since, b.Until = fromMillis(since), fromMillis(until)
		bans = append(bans, b)
	}
	if err = r.bans.Err(); err != nil {
		return bans, r.failed(err)
	}
	return bans, nil
}

// Count is how many bans there are in all.
func (r *Recollection) Count() (n int, err error) {
	if err = r.tx.QueryRow(`SELECT count(*)`+banRows, r.now.UnixMilli()).Scan(&n); err != nil {
		err = r.failed(err)
	}
	return n, err
}

// Record is how often a source has offended, and when it last did.
type Record struct {
	Prefix netip.Prefix
	Number int
	Last   time.Time
}

// Offences are the records of the sources that offended at since or later.
func (r *Recollection) Offences(since time.Time) ([]Record, error) {
	rows, err := r.tx.Query(`SELECT prefix, count(*), max(at) FROM offences WHERE at >= ? GROUP BY prefix`, since.UnixMilli())
	records, err := collect(rows, err, func(rows *sql.Rows) (o Record, err error) {
		var prefix string
		var last sql.NullInt64
		if err := rows.Scan(&prefix, &o.Number, &last); err != nil {
			return o, err
		}
		o.Last = fromMillis(last)
		o.Prefix, err = netip.ParsePrefix(prefix)
		return o, err
	})
	if err != nil {
		err = r.failed(err)
	}
	return records, err
}

// Ban is the ban of just this prefix that has time left at now.
func (l *Ledger) Ban(ctx context.Context, now time.Time, prefix netip.Prefix) (b Ban, ok bool, err error) {
	known, err := l.episodes(ctx, `prefix = ?`, prefix.String())
	for _, b = range known[prefix] {
		if b.inForce(now) {
			return b, true, err
		}
	}
	return Ban{}, false, err
}
