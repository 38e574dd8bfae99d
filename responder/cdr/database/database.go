// Package database reads call records from the table cdr that FreePBX, and others, keep
// in a MariaDB or MySQL database. It logs in over the server's Unix socket as the user of
// the process, without a password, and needs SELECT on that one table:
//
//	GRANT USAGE ON *.* TO 'tollwarden'@'localhost' IDENTIFIED VIA unix_socket;
//	GRANT SELECT ON asteriskcdrdb.cdr TO 'tollwarden'@'localhost';
package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tollwarden/tollwarden/responder/cdr"
)

// Options say which database to read.
type Options struct {
	Socket string // of the server; "" is the first of Sockets that exists
	Name   string // "" is asteriskcdrdb, FreePBX's
	User   string // "" is that of the process
}

// Name is the database that FreePBX keeps call records in.
const Name = "asteriskcdrdb"

// Sockets are where the server's socket usually is: Debian's, that of Red Hat's and
// FreePBX's own distribution, and an older path of both.
var Sockets = []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/run/mariadb/mariadb.sock"}

// Socket is the first of Sockets that exists; "" if none does.
func Socket() string {
	for _, s := range Sockets {
		if _, err := os.Stat(s); err == nil {
			return s
		}
	}
	return ""
}

// within bounds how long the server may be silent.
const within = 30 * time.Second

// Calls is a query for records that is being read.
type Calls struct {
	*cdr.Rows
	rows *sql.Rows
	db   *sql.DB
}

// Open asks for the records of calls since a time, the oldest first; at most the newest
// most of them. zone is that of the times in the table: Asterisk's. The caller closes Calls.
func Open(ctx context.Context, o Options, since time.Time, most int, zone *time.Location) (_ *Calls, err error) {
	o.Socket, o.Name = cmp.Or(o.Socket, Socket(), Sockets[0]), cmp.Or(o.Name, Name)
	if o.User == "" {
		me, err := user.Current()
		if err != nil {
			return nil, fmt.Errorf("call records of the database: %w", err)
		}
		o.User = me.Username
	}
	defer func() {
		if err != nil {
			err = o.failed(err)
		}
	}()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.DBName = "unix", o.Socket, o.User, o.Name
	c.Timeout, c.ReadTimeout, c.WriteTimeout = within, within, within
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	calls := &Calls{db: sql.OpenDB(connector)}
	defer func() {
		if err != nil {
			_ = calls.db.Close()
		}
	}()
	calls.db.SetMaxOpenConns(1)
	from := since.In(zone).Format(time.DateTime)
	var newer string
	switch err := calls.db.QueryRowContext(ctx, "SELECT calldate FROM cdr WHERE calldate >= ? ORDER BY calldate DESC LIMIT 1 OFFSET ?", from, most).Scan(&newer); {
	case err == nil:
		from = newer
	case !errors.Is(err, sql.ErrNoRows):
		return nil, err
	}
	if calls.rows, err = calls.db.QueryContext(ctx, "SELECT "+cdr.Columns+" FROM cdr WHERE calldate >= ? ORDER BY calldate LIMIT ?", from, most); err != nil {
		return nil, err
	}
	calls.Rows = cdr.NewRows(calls.rows, zone, time.Now())
	return calls, nil
}

// Close ends the query and the connection.
func (c *Calls) Close() error { return errors.Join(c.rows.Close(), c.db.Close()) }

// failed says what a person can do.
func (o Options) failed(err error) error {
	what := fmt.Sprintf("call records of the database %s at %s, as user %s", o.Name, o.Socket, o.User)
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return fmt.Errorf("%s: %s: the user needs GRANT SELECT ON %s.cdr, and to log in by unix_socket", what, refused.Message, o.Name)
	}
	return fmt.Errorf("%s: %w", what, err)
}
