package pbx

import (
	"context"
	"fmt"
	"strings"
	"time"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
)

// rows are the tables of Asterisk's realtime database.
type rows interface {
	SetRow(ctx context.Context, table, id string, columns ...mariadb.Column) error
	Row(ctx context.Context, table, id string, columns ...string) ([]mariadb.Column, error)
	// TryRow says whether SetRow would work, and changes nothing.
	TryRow(ctx context.Context, table, id string, columns ...string) error
}

// database changes rows of Asterisk's realtime database: itself, if it can, otherwise
// through Asterisk's own driver.
type database struct {
	asterisk asterisk
	rows     rows          // nil: it is not known how to log in to the database
	within   time.Duration // see Options.VerifyWithin
	trial    bool          // nothing is written: an update ends with errTrial
}

// table is the table of a realtime family: "family => driver,database[,table]" in
// extconfig.conf. Without a table, it has the family's name.
func (d database) table(ctx context.Context, family string) (string, error) {
	conf, err := d.asterisk.getConfig(ctx, "extconfig.conf")
	if err != nil {
		return "", err
	}
	for _, c := range conf {
		if parts := list(strings.Trim(c.last(family), `"`)); c.name == "settings" && len(parts) > 2 {
			return strings.Trim(parts[2], `"`), nil
		}
	}
	return family, nil
}

// realtimeUpdate sets one column of the row.
func (d database) realtimeUpdate(ctx context.Context, family, id, column, value string) error {
	if d.rows != nil {
		return d.updateRow(ctx, family, id, column, value)
	}
	if d.trial {
		return errTrial
	}
	lines, err := d.asterisk.command(ctx, strings.Join([]string{"realtime update", family, "id", cliArgument(id), column, value}, " "))
	if err != nil {
		return fmt.Errorf("realtime update of %s in %s: %w", column, family, err)
	}
	for _, l := range lines {
		// "Updated N RealTime records." (res_realtime.c); drivers may count 0
		// for a row that is there, so the live value decides.
		if strings.HasPrefix(l, "Updated ") {
			return nil
		}
	}
	return fmt.Errorf("realtime update of %s in %s failed: see Asterisk's log", column, family)
}

// updateRow sets one column of the row in the database itself.
func (d database) updateRow(ctx context.Context, family, id, column, value string) error {
	table, err := d.table(ctx, family)
	if err != nil {
		return err
	}
	if d.trial {
		if err := d.rows.TryRow(ctx, table, id, column); err != nil {
			return err
		}
		return errTrial
	}
	return d.rows.SetRow(ctx, table, id, mariadb.Column{Name: column, Value: value})
}

// realtimeUndo restores the old values that can be written safely, and says so.
func (d database) realtimeUndo(ctx context.Context, family, id string, columns []swap, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.within)
	defer cancel()
	for _, c := range columns {
		if d.rows == nil && (c.old == "" || strings.ContainsAny(c.old, " \t\"'\\;\r\n")) {
			return fmt.Errorf("%w; the old %s cannot be written back by a command, set it in the database: %w", cause, c.name, ErrUncertain)
		}
		if err := d.realtimeUpdate(ctx, family, id, c.name, c.old); err != nil {
			return fmt.Errorf("%w; and the old %s is not back: %w: %w", cause, c.name, err, ErrUncertain)
		}
	}
	if len(columns) == 0 {
		return cause
	}
	return fmt.Errorf("%w; the old values are back", cause)
}

// expireCaches drops the object from memory caches; what cannot be dropped is
// seen by the check of the live value.
func (d database) expireCaches(ctx context.Context, caches []string, id string) {
	for _, cache := range caches {
		_, _ = goami.SorceryMemoryCacheExpireObject(ctx, d.asterisk.session(), "", cache, id)
	}
}
