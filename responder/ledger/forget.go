package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// about is one kind of row that may be about a person. Its condition uses the SQL
// functions of subject.go with the subject as ?1.
type about struct {
	table, where string
	redact       []string // columns in which the subject is only named; none: the row is deleted
	keep         string   // a condition on rows that are needed and stay, with the time as ?2
}

// theirs are the incidents about the subject itself.
const theirs = `is_about(account, ?1) OR is_about(source, ?1) OR is_about(key_value, ?1)`

// inTheirs selects what belongs to these incidents.
const inTheirs = `incident IN (SELECT id FROM incidents WHERE ` + theirs + `)`

// personal lists where the ledger may hold something about a person. Rows that belong
// to an incident come before the incidents, by which they are found.
var personal = []about{
	{table: "evidence", where: inTheirs + ` OR is_about(account, ?1) OR is_about(source, ?1)`},
	{table: "calls", where: inTheirs + ` OR is_about(account, ?1) OR is_about(dialled, ?1)`},
	{table: "steps", where: inTheirs},
	{table: "incidents", where: theirs},
	{table: "bans", where: `is_about(prefix, ?1)`, keep: `released_at IS NULL AND (until IS NULL OR until > ?2)`},
	{table: "offences", where: `is_about(prefix, ?1)`},
	{table: "repeats", where: `is_about(prefix, ?1)`},
	{table: "places", where: `is_about(account, ?1) OR is_about(prefix, ?1)`},
	{table: "habits", where: `is_about(account, ?1)`},
	{table: "guesses", where: `is_about(account, ?1) OR is_about(prefix, ?1)`},
	{table: "spending", where: `is_about(account, ?1)`},
	{table: "orders", where: `is_about(account, ?1)`, keep: `state IN ('in force', 'being put back', 'cannot be put back')`},
	{table: "holds", where: `is_about(account, ?1) OR ` + names("value"), keep: `1`},
	{table: "actions", where: `is_about(target, ?1)`},
	// Rows about others that name the subject.
	{table: "bans", where: names("reason"), redact: []string{"reason"}},
	{table: "incidents", where: names("reason"), redact: []string{"reason"}},
	{table: "steps", where: names("target", "detail"), redact: []string{"target", "detail"}},
	{table: "evidence", where: names("raw", "session"), redact: []string{"raw", "session"}},
	{table: "actions", where: names("target", "detail"), redact: []string{"target", "detail"}},
}

// names is the condition that one of the columns names the subject.
func names(columns ...string) (where string) {
	for i, c := range columns {
		if i > 0 {
			where += " OR "
		}
		where += fmt.Sprintf("without(%s, ?1) <> %[1]s", c)
	}
	return where
}

// Personal calls row for every row of the ledger at path that is about the subject or
// names it. The ledger may be in use.
func Personal(ctx context.Context, path, subject string, row func(table string, values map[string]any) error) error {
	return withFile(ctx, path, "ro", func(db *sql.Conn) error {
		for _, a := range personal {
			rows, err := db.QueryContext(ctx, "SELECT * FROM "+a.table+" WHERE "+a.where, subject)
			if err != nil {
				return err
			}
			if err := each(rows, func(values map[string]any) error { return row(a.table, values) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// each reads all rows by their columns' names.
func each(rows *sql.Rows, fn func(map[string]any) error) error {
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, to := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		to[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		byName := map[string]any{}
		for i, c := range columns {
			if raw, ok := values[i].([]byte); ok {
				values[i] = string(raw)
			}
			byName[c] = values[i]
		}
		if err := fn(byName); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Forgotten counts rows by table.
type Forgotten struct {
	Deleted  map[string]int
	Redacted map[string]int // about others, in which the subject was named
	Kept     map[string]int // still needed: bans, orders and holds in force
}

// Forget deletes what the ledger at path has about the subject, redacts its name in
// rows about others, and leaves no trace of them in the file. No daemon may be using
// it. What is in force stays and is counted.
func Forget(ctx context.Context, path, subject string, now time.Time) (f Forgotten, err error) {
	f = Forgotten{map[string]int{}, map[string]int{}, map[string]int{}}
	return f, withFile(ctx, path, "rw", func(db *sql.Conn) error {
		if err := direct(ctx, db, "PRAGMA secure_delete = ON", "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		err := f.rows(ctx, db, subject, now)
		if err == nil {
			_, err = db.ExecContext(ctx, `INSERT INTO actions (id, at, uid, action, target, detail)
				SELECT max(coalesce(max(id), 0) + 1, ?), ?, 0, 'forget', '', ? FROM actions`,
				now.UnixMicro(), now.UnixMilli(), fmt.Sprintf("%d rows deleted, %d redacted", sum(f.Deleted), sum(f.Redacted)))
		}
		if err != nil {
			return errors.Join(err, direct(context.WithoutCancel(ctx), db, "ROLLBACK"))
		}
		// VACUUM writes the file anew, and the WAL must not hold the old pages either.
		return direct(ctx, db, "COMMIT", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
	})
}

func (f *Forgotten) rows(ctx context.Context, db *sql.Conn, subject string, now time.Time) error {
	for _, a := range personal {
		if a.keep != "" {
			var kept int
			query := fmt.Sprintf("SELECT count(*) FROM %s WHERE (%s) AND (%s) AND ?2 > 0", a.table, a.where, a.keep)
			if err := db.QueryRowContext(ctx, query, subject, now.UnixMilli()).Scan(&kept); err != nil {
				return err
			}
			f.Kept[a.table] += kept
		}
		result, err := db.ExecContext(ctx, a.statement(), subject, now.UnixMilli())
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if len(a.redact) > 0 {
			f.Redacted[a.table] += int(n)
		} else {
			f.Deleted[a.table] += int(n)
		}
	}
	return nil
}

// statement deletes or redacts the rows.
func (a *about) statement() string {
	if len(a.redact) == 0 {
		keep := a.keep
		if keep == "" {
			keep = "0"
		}
		return fmt.Sprintf("DELETE FROM %s WHERE (%s) AND NOT (%s) AND ?2 > 0", a.table, a.where, keep)
	}
	set := ""
	for i, c := range a.redact {
		if i > 0 {
			set += ", "
		}
		set += fmt.Sprintf("%s = without(%[1]s, ?1)", c)
	}
	return fmt.Sprintf("UPDATE %s SET %s WHERE (%s) AND ?2 > 0", a.table, set, a.where)
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func direct(ctx context.Context, db *sql.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// withFile opens a ledger of the current schema outside the daemon.
func withFile(ctx context.Context, path, mode string, fn func(*sql.Conn) error) (err error) {
	defer func() {
		if err != nil {
			err = explain("read", path, err)
		}
	}()
	db, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {mode}}))
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, conn.Close(), db.Close()) }()
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version != schemaVersion() {
		return fmt.Errorf("its schema version is %d, this program's %d: start the daemon of this version once", version, schemaVersion())
	}
	return fn(conn)
}
