package pbx

import (
	"context"
	"fmt"
	"strings"
	"time"

	goami "github.com/heltonmarx/goami/ami"
)

// database changes rows of Asterisk's realtime database through Asterisk's own
// driver.
type database struct {
	asterisk asterisk
	within   time.Duration // see Options.VerifyWithin
	trial    bool          // nothing is written: an update ends with errTrial
}

// realtimeUpdate sets one column of the row.
func (d database) realtimeUpdate(ctx context.Context, family, id, column, value string) error {
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

// realtimeUndo restores the old values that can be written safely, and says so.
func (d database) realtimeUndo(ctx context.Context, family, id string, columns []swap, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.within)
	defer cancel()
	for _, c := range columns {
		if strings.ContainsAny(c.old, " \t\"'\\;\r\n") || c.old == "" {
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
