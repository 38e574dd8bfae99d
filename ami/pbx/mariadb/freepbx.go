package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Extension looks for a value of an extension in FreePBX's table sip, where sip and
// pjsip extensions are (trunks are elsewhere). It is an ErrNoRow if there is none; the
// value itself cannot be read.
func (d *DB) Extension(ctx context.Context, id, keyword string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	what := fmt.Sprintf("look for %s of extension %s", keyword, id)
	var found string
	err := d.open().QueryRowContext(ctx, "SELECT id FROM sip WHERE id = ? AND keyword = ?", id, keyword).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w: it is a trunk, or no extension of FreePBX", what, ErrNoRow)
	}
	return d.failed(what, err)
}

// SetExtension changes one value of an extension, which is one row.
func (d *DB) SetExtension(ctx context.Context, id, keyword, value string) error {
	return d.update(ctx, fmt.Sprintf("change %s of extension %s", keyword, id),
		"UPDATE sip SET data = ? WHERE id = ? AND keyword = ?", value, id, keyword)
}

// NeedReload makes FreePBX show its button Apply Config.
func (d *DB) NeedReload(ctx context.Context) error {
	return d.update(ctx, "ask for Apply Config", "UPDATE admin SET value = 'true' WHERE variable = 'need_reload'")
}

// TryExtension finds out whether SetExtension and NeedReload would work. It changes
// nothing: the server checks rights before it looks for rows, and there are none.
func (d *DB) TryExtension(ctx context.Context, id, keyword string) error {
	if err := d.Extension(ctx, id, keyword); err != nil {
		return err
	}
	for _, statement := range []string{
		"UPDATE sip SET data = '' WHERE id = '' AND keyword = '' AND 1 = 0",
		"UPDATE admin SET value = '' WHERE variable = '' AND 1 = 0",
	} {
		if err := d.try(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// try runs a statement that matches no row.
func (d *DB) try(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	_, err := d.open().ExecContext(ctx, statement)
	return d.failed("try the rights of the database user", err)
}
