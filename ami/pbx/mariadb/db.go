package mariadb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Options say which database to use.
type Options struct {
	Socket string // of the server; "" is the first of Sockets that exists
	User   string // "" is tollwarden
	Name   string // of the database; "" is asterisk, FreePBX's
}

// User is the name of the database user when no other is set.
const User = "tollwarden"

// FreePBX is the name of the database that FreePBX and Issabel make.
const FreePBX = "asterisk"

// Sockets are where the server's socket usually is: Debian's, that of Red Hat's and
// FreePBX's own distribution, and an older path of both.
var Sockets = []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/run/mariadb/mariadb.sock"}

// within bounds one attempt to reach the server, and each answer.
const within = 3 * time.Second

func (o Options) withDefaults() Options {
	o.User, o.Name = cmp.Or(o.User, User), cmp.Or(o.Name, FreePBX)
	for _, s := range Sockets {
		if _, err := os.Stat(s); o.Socket == "" && err == nil {
			o.Socket = s
		}
	}
	o.Socket = cmp.Or(o.Socket, Sockets[0])
	return o
}

// DB is a database. Its methods may be called from any goroutine.
type DB struct {
	open func() *sql.DB
	o    Options
}

// Open returns a DB that connects once it is asked for something.
func Open(o Options) *DB {
	o = o.withDefaults()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.DBName = "unix", o.Socket, o.User, o.Name
	c.Timeout, c.ReadTimeout, c.WriteTimeout = within, within, within
	c.ClientFoundRows = true // an update counts the rows that it finds, changed or not
	c.DialFunc = Dialer(o.User)
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		panic(err) // the driver refuses no setting above
	}
	return &DB{sync.OnceValue(func() *sql.DB {
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(2)
		db.SetMaxIdleConns(1)
		db.SetConnMaxIdleTime(time.Minute)
		return db
	}), o}
}

// Close ends the connections.
func (d *DB) Close() error { return d.open().Close() }

// String says which database this is.
func (d *DB) String() string { return fmt.Sprintf("database %s at %s", d.o.Name, d.o.Socket) }

// The kinds of failure that a caller can do something about.
var (
	// ErrUnreachable: the server did not answer, so that it may do so later.
	ErrUnreachable = errors.New("the database does not answer")
	// ErrDenied: the user may not log in, or lacks a right.
	ErrDenied = errors.New("the database user may not do that")
	// ErrNoRow: the database answered and has no such row.
	ErrNoRow = errors.New("the database has no such row")
)

// Numbers of the server's errors, from its reference.
const (
	erDatabaseDenied = 1044
	erAccessDenied   = 1045
	erTableDenied    = 1142
	erColumnDenied   = 1143
	erHostDenied     = 1130
	erPluginMissing  = 1524
	erAccessNoPass   = 1698
)

// failed says what was tried and what a person can do about its failure.
func (d *DB) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	var refused *mysql.MySQLError
	switch {
	case !errors.As(err, &refused):
		return fmt.Errorf("%s: %w: %w", what, ErrUnreachable, err)
	case refused.Number == erDatabaseDenied || refused.Number == erAccessDenied || refused.Number == erAccessNoPass ||
		refused.Number == erTableDenied || refused.Number == erColumnDenied || refused.Number == erHostDenied || refused.Number == erPluginMissing:
		return fmt.Errorf("%s: %w: run `tollwarden setup --database` as root: %s", what, ErrDenied, refused.Message)
	}
	return fmt.Errorf("%s: %s", what, refused.Message)
}

// update runs one UPDATE, whose row has to be there.
func (d *DB) update(ctx context.Context, what, statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	done, err := d.open().ExecContext(ctx, statement, args...)
	if err != nil {
		return d.failed(what, err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("%s: %w", what, ErrNoRow)
	}
	return nil
}

// quote is an identifier in SQL.
func quote(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
