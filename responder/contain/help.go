package contain

import (
	"context"
	"fmt"
	"time"
)

// helpEvery is how often it is checked that locked accounts can call for help: Asterisk forgets
// the extensions added for that when its dialplan is loaded again.
const helpEvery = 5 * time.Second

// help lets locked accounts call for help, and says in words whether this one can. If it
// cannot, it stays locked all the same.
func (r *Runner) help(ctx context.Context, account, was string) string {
	if was == unknownContext {
		return "whether it can call emergency numbers depends on the dialplan, since its context of before is not known"
	}
	if err := r.letCallForHelp(ctx); err != nil {
		return fmt.Sprintf("%s cannot call emergency numbers: %v", account, err)
	}
	return "emergency calls still work"
}

// letCallForHelp has Asterisk let the locked accounts dial emergency numbers.
func (r *Runner) letCallForHelp(ctx context.Context) error {
	var locked map[string]string
	var list func() []string
	r.owner.With(func() {
		locked = r.state.Locks.confirmed()
		list = r.channels.EmergencyNumbers()
	})
	if len(locked) == 0 {
		return nil
	}
	return r.accounts.LetCallForHelp(ctx, list(), locked)
}

// keepHelp calls letCallForHelp every helpEvery until ctx ends, and logs each error once.
func (r *Runner) keepHelp(ctx context.Context) {
	tick := time.NewTicker(helpEvery)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		within, cancel := context.WithTimeout(ctx, helpEvery)
		err := r.letCallForHelp(within)
		cancel()
		if text := errorText(err); text != last && ctx.Err() == nil {
			if last = text; err != nil {
				r.log.Error().Err(err).Msg("locked extensions cannot call emergency numbers")
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
