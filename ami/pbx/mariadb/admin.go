package mariadb

import (
	"context"
	"fmt"
	"strings"
)

// Admin is a connection as an administrator of the server, to make the user.
type Admin struct {
	db *DB
	o  Options // of the user to be made
}

// Administer connects as root, over the socket and without a password, to make the user
// of o.
func Administer(ctx context.Context, o Options) (*Admin, error) {
	as := o
	as.User = "root"
	a := &Admin{Open(as), o}
	if err := a.db.open().PingContext(ctx); err != nil {
		return nil, a.db.failed("log in to the database as root", err)
	}
	return a, nil
}

// Close ends the connection.
func (a *Admin) Close() error { return a.db.Close() }

// Has says whether the database has a table.
func (a *Admin) Has(ctx context.Context, table string) bool { return a.HasIn(ctx, a.db.o.Name, table) }

// HasIn says whether another database has a table.
func (a *Admin) HasIn(ctx context.Context, database, table string) bool {
	var n int
	err := a.db.open().QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", database, table).Scan(&n)
	return err == nil && n > 0
}

// Run runs statements, in order.
func (a *Admin) Run(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := a.db.open().ExecContext(ctx, s); err != nil {
			return a.db.failed(s, err)
		}
	}
	return nil
}

// Grants are the rights that the user has, in the server's words but for how it logs in.
func (a *Admin) Grants(ctx context.Context) ([]string, error) {
	rows, err := a.db.open().QueryContext(ctx, "SHOW GRANTS FOR "+a.o.account())
	if err != nil {
		return nil, a.db.failed("list the user's rights", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, fmt.Errorf("list the user's rights: %w", err)
		}
		line, _, _ = strings.Cut(line, " IDENTIFIED ")
		out = append(out, line)
	}
	return out, rows.Err()
}
