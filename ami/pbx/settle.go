package pbx

import (
	"context"
	"fmt"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/responder/orders"
)

// reload reloads one module, waiting for a reload that is under way.
func (ed *editor) reload(ctx context.Context, module string) error {
	ok, err := eventually(ctx, ed.within, func() (bool, error) {
		_, err := goami.Reload(ctx, ed.asterisk.session(), "", module)
		if answered(err, "A reload is in progress") {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !ok {
		err = fmt.Errorf("another reload is still in progress after %v", ed.within)
	}
	if err != nil {
		return fmt.Errorf("reload %s: %w", module, err)
	}
	return nil
}

// settle makes Asterisk read a change and checks that it lives; otherwise it
// undoes the change, in Asterisk too, and says so (orders.Reloaded).
func (ed *editor) settle(ctx context.Context, c *change, module string, check func(context.Context) error) error {
	if err := ed.live(ctx, c, module, check); err != nil {
		return orders.AfterReload(err)
	}
	return nil
}

func (ed *editor) live(ctx context.Context, c *change, module string, check func(context.Context) error) error {
	err := ed.reload(ctx, module)
	if err == nil {
		err = check(ctx)
	}
	if err == nil {
		if c.settled != nil {
			c.settled()
		}
		return nil
	}
	// Undo even when the caller gives up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ed.within)
	defer cancel()
	if uerr := c.undo(); uerr != nil {
		return join(err, uerr)
	}
	if rerr := ed.reload(ctx, module); rerr != nil {
		return join(err, fmt.Errorf("the old config files are restored, but not loaded: %w: %w", rerr, ErrUncertain))
	}
	return fmt.Errorf("%w; the old config files are restored", err)
}
