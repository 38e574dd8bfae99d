package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// querier is a database or one connection to it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// salvageTime bounds how long a salvage may keep the owner from writing.
const salvageTime = 20 * time.Second

// tables lists every table with its primary key, the most important first.
var tables = []struct{ name, key string }{
	{"bans", "prefix, since"},
	{"offences", "prefix, at"},
	{"repeats", "prefix"},
	{"incidents", "id"},
	{"steps", "incident, n"},
	{"calls", "incident, channel"},
	{"places", "account, prefix"},
	{"holds", "account, kind"},
	{"orders", "account, kind"},
	{"habits", "account, kind, value"},
	{"guesses", "account, prefix"},
	{"actions", "id"},
	{"evidence", "incident, n"},
}

// salvage copies all readable rows of a damaged ledger into a new one and returns
// how many. It reads each table from both ends, because a damaged page stops a
// scan. The damaged ledger may be of an older version.
func salvage(from querier, to *writer) (rows int) {
	ctx, cancel := context.WithTimeout(context.Background(), salvageTime)
	defer cancel()
	for _, t := range tables {
		for _, order := range []string{"ASC", "DESC"} {
			n, err := salvageTable(ctx, from, to, t.name, "ORDER BY "+strings.ReplaceAll(t.key, ",", " "+order+",")+" "+order)
			rows += n
			if err == nil {
				break
			}
		}
	}
	_ = to.transaction(func() error { return to.direct(moveHolds) }) // if this fails, later writes report it
	return rows
}

// salvageTable copies one table until something fails, and keeps the rows so far.
func salvageTable(ctx context.Context, from querier, to *writer, table, order string) (n int, err error) {
	rows, err := from.QueryContext(ctx, fmt.Sprintf("SELECT * FROM %s %s", table, order))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	insert := fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (?%s)", table, strings.Join(columns, ", "), strings.Repeat(", ?", len(columns)-1))
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	var broken error
	err = to.transaction(func() error {
		for rows.Next() {
			if broken = rows.Scan(into...); broken != nil {
				return nil
			}
			result, err := to.run(insert, row...)
			if isRefusal(err) {
				continue // a damaged value
			}
			if err != nil {
				return err
			}
			if added, err := result.RowsAffected(); err == nil {
				n += int(added)
			}
		}
		broken = rows.Err()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, broken
}
