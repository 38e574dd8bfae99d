package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"
)

// Copy writes a consistent copy of the ledger at path to the new file to, whether or
// not a daemon is writing it. The copy has everything that was durable when Copy
// began. On failure there is no copy.
func Copy(ctx context.Context, path, to string) (err error) {
	defer func() {
		if err != nil {
			_ = os.Remove(to)
			err = explain("copy", path, err)
		}
	}()
	if _, err := os.Stat(path); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"rw"}}))
	if err != nil {
		return err
	}
	// An empty file is a valid target; that it is there already gives it its mode.
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return errors.Join(err, db.Close())
}

// Content is what a ledger that is not in use holds.
type Content struct {
	Schema    int // its version
	Bans      int // in force
	Expired   int // bans that were not released and ran out, as far as they are kept
	Orders    int // in force
	Incidents int
	Newest    time.Time // the newest incident or action; zero: there is none
}

// Inspect checks the file of a ledger that nobody writes and says what it holds at
// now. The error is ErrNewer or ErrForeign as in Open, or says that it is damaged.
func Inspect(ctx context.Context, path string, now time.Time) (c Content, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("inspect ledger %s: %w", path, err)
		}
	}()
	if _, err := os.Stat(path); err != nil {
		return c, err
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return c, err
	}
	defer db.Close()
	var sound string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&sound); err != nil {
		return c, err
	}
	if sound != "ok" {
		return c, errors.New("it is damaged: " + sound)
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&c.Schema); err != nil {
		return c, err
	}
	switch {
	case c.Schema > schemaVersion():
		return c, fmt.Errorf("%w: its schema version is %d, this program supports up to %d", ErrNewer, c.Schema, schemaVersion())
	case c.Schema == 0:
		return c, ErrForeign
	}
	count := func(to any, query string, args ...any) {
		if err == nil {
			err = db.QueryRowContext(ctx, query, args...).Scan(to)
		}
	}
	var newest sql.NullInt64
	count(&c.Bans, `SELECT count(*) FROM bans WHERE released_at IS NULL AND (until IS NULL OR until > ?)`, now.UnixMilli())
	count(&c.Expired, `SELECT count(*) FROM bans WHERE released_at IS NULL AND until <= ?`, now.UnixMilli())
	count(&c.Incidents, `SELECT count(*) FROM incidents`)
	count(&newest, `SELECT max(at) FROM (SELECT max(at) at FROM incidents UNION ALL SELECT max(at) FROM actions)`)
	if c.Schema >= 8 { // locks and restrictions became orders
		count(&c.Orders, `SELECT count(*) FROM orders WHERE state IN ('in force', 'being put back', 'cannot be put back')`)
	}
	if newest.Valid {
		c.Newest = time.UnixMilli(newest.Int64)
	}
	return c, err
}
