package ledger

// All of this file goes when package responder reads Bans and Offences at its
// start instead.

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Recollection reads the bans of a start in parts. All of it is as the file was
// when Recall returned, whatever is written meanwhile. It is for one goroutine.
type Recollection struct {
	l      *Ledger
	cancel context.CancelFunc
	tx     *sql.Tx
	now    time.Time
	bans   *sql.Rows
	banScanner
}

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
		r.bans, err = r.tx.QueryContext(ctx, banQuery+` ORDER BY prefix`, now.UnixMilli())
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
func (r *Recollection) Bans(n int) (bans []incident.Ban, err error) {
	for len(bans) < n && r.bans.Next() {
		ban, err := r.scan(r.bans)
		if err != nil {
			return bans, r.failed(err)
		}
		bans = append(bans, ban)
	}
	if err = r.bans.Err(); err != nil {
		return bans, r.failed(err)
	}
	return bans, nil
}

// Count is how many bans there are in all.
func (r *Recollection) Count() (n int, err error) {
	const counting = `SELECT count(*) FROM bans WHERE released_at IS NULL AND (until IS NULL OR until > ?)`
	if err = r.tx.QueryRow(counting, r.now.UnixMilli()).Scan(&n); err != nil {
		err = r.failed(err)
	}
	return n, err
}

// Offences are the records of the sources that offended at since or later.
func (r *Recollection) Offences(since time.Time) ([]Record, error) {
	rows, err := r.tx.Query(offenceQuery, since.UnixMilli())
	records, err := collect(rows, err, scanRecord)
	if err != nil {
		err = r.failed(err)
	}
	return records, err
}

// Ban is the ban of just this prefix that is in force at now.
func (l *Ledger) Ban(ctx context.Context, now time.Time, prefix netip.Prefix) (incident.Ban, bool, error) {
	found, err := read(ctx, l, func(ctx context.Context, db *sql.DB) ([]incident.Ban, error) {
		rows, err := db.QueryContext(ctx, banQuery+` AND prefix = ?`, now.UnixMilli(), prefix.String())
		return collect(rows, err, new(banScanner).scan)
	})
	if len(found) == 0 {
		return incident.Ban{}, false, err
	}
	return found[0], true, err
}
