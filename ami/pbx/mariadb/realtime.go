package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Column is one value of a row. An empty one is NULL.
type Column struct{ Name, Value string }

// SetRow changes columns of one row of a realtime table.
func (d *DB) SetRow(ctx context.Context, table, id string, columns ...Column) error {
	var sets []string
	var args []any
	for _, c := range columns {
		sets = append(sets, quote(c.Name)+" = ?")
		args = append(args, sql.NullString{String: c.Value, Valid: c.Value != ""})
	}
	return d.update(ctx, fmt.Sprintf("change row %s of %s", id, table),
		fmt.Sprintf("UPDATE %s SET %s WHERE id = ?", quote(table), strings.Join(sets, ", ")), append(args, id)...)
}

// Row reads columns of one row of a realtime table; NULL is "".
func (d *DB) Row(ctx context.Context, table, id string, columns ...string) ([]Column, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	what := fmt.Sprintf("read row %s of %s", id, table)
	var names []string
	values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i, c := range columns {
		names, into[i] = append(names, quote(c)), &values[i]
	}
	err := d.open().QueryRowContext(ctx, fmt.Sprintf("SELECT %s FROM %s WHERE id = ?", strings.Join(names, ", "), quote(table)), id).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", what, ErrNoRow)
	}
	if err != nil {
		return nil, d.failed(what, err)
	}
	out := make([]Column, len(columns))
	for i, c := range columns {
		out[i] = Column{c, values[i].String}
	}
	return out, nil
}

// TryRow finds out whether SetRow would work. It changes nothing.
func (d *DB) TryRow(ctx context.Context, table, id string, columns ...string) error {
	if _, err := d.Row(ctx, table, id, "id"); err != nil {
		return err
	}
	var sets []string
	for _, c := range columns {
		sets = append(sets, quote(c)+" = NULL")
	}
	return d.try(ctx, fmt.Sprintf("UPDATE %s SET %s WHERE id = '' AND 1 = 0", quote(table), strings.Join(sets, ", ")))
}
