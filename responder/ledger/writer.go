package ledger

import (
	"context"
	"database/sql"
	"errors"
)

// writer is the only connection that writes, with its prepared statements. Writing
// is never cancelled: it waits for a commit, however slow the disk.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// pragmas configure a new connection. auto_vacuum comes first because it only works
// in an empty file; it lets pruning return space. synchronous=FULL syncs the WAL at
// each commit. A short WAL helps on a full disk.
var pragmas = []string{
	"PRAGMA auto_vacuum = INCREMENTAL",
	"PRAGMA journal_mode = WAL",
	"PRAGMA synchronous = FULL",
	"PRAGMA wal_autocheckpoint = 256",
	"PRAGMA journal_size_limit = 1048576",
	"PRAGMA foreign_keys = OFF", // a row that did not fit must not refuse another
}

func newWriter(db *sql.DB) (*writer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	w := &writer{db: db, conn: conn, stmts: make(map[string]*sql.Stmt)}
	if err := w.prepare(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return w, nil
}

// prepare refuses a file that is not a ledger before it changes anything in it.
func (w *writer) prepare() error {
	if _, err := w.version(); err != nil {
		return err
	}
	for _, p := range pragmas {
		if err := w.direct(p); err != nil {
			return err
		}
	}
	return w.migrate()
}

// direct runs SQL that is not worth preparing.
func (w *writer) direct(query string) error {
	_, err := w.conn.ExecContext(context.Background(), query)
	return err
}

// exec runs a prepared statement.
func (w *writer) exec(query string, args ...any) error {
	_, err := w.run(query, args...)
	return err
}

func (w *writer) run(query string, args ...any) (sql.Result, error) {
	stmt := w.stmts[query]
	if stmt == nil {
		var err error
		if stmt, err = w.conn.PrepareContext(context.Background(), query); err != nil {
			return nil, err
		}
		w.stmts[query] = stmt
	}
	return stmt.ExecContext(context.Background(), args...)
}

// transaction runs fn between BEGIN and COMMIT and takes everything back when
// something fails. On a full disk it then shortens the WAL, which may make room.
func (w *writer) transaction(fn func() error) error {
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err == nil {
		return nil
	}
	// SQLite may have rolled back by itself; then this fails and is meant to.
	_ = w.direct("ROLLBACK")
	if isFull(err) {
		_ = w.direct("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return err
}

// commit writes a batch in one transaction.
func (w *writer) commit(batch []*pending) error {
	return w.transaction(func() error {
		for _, p := range batch {
			if err := p.change.write(w); err != nil {
				return err
			}
		}
		return nil
	})
}

// lastIDQuery asks for the highest incident number ever given.
const lastIDQuery = `SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'incidents'`

func (w *writer) lastID() (id int64, err error) {
	err = w.conn.QueryRowContext(context.Background(), lastIDQuery).Scan(&id)
	return id, err
}

func (w *writer) close() error {
	for _, stmt := range w.stmts {
		_ = stmt.Close() // goes with the connection
	}
	return errors.Join(w.conn.Close(), w.db.Close())
}
