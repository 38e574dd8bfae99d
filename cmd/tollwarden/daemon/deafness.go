package daemon

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx"
)

// deafRetry is how often manager.conf is read again while it withholds events.
const deafRetry = 10 * time.Second

// errHears reports that manager.conf grants now what this session was not given at its login:
// only a new one gets it.
var errHears = errors.New("manager.conf grants the events that were missing: logging in again")

// unreader says which events the user of a session does not get.
type unreader func(ctx context.Context) (lacking []pbx.Unread, known bool, err error)

// deafness is which events the event session does not get. Canaries prove that security
// events arrive; no event of a call can be caused, so manager.conf is asked.
type deafness struct{ lacking atomic.Pointer[[]pbx.Unread] }

// watch asks once, and again while events are missing. It returns errHears when they are
// granted.
func (d *deafness) watch(ctx context.Context, ask unreader) error {
	d.lacking.Store(nil)
	for {
		lacking, known, err := ask(ctx)
		switch {
		case err != nil || !known: // check says so; other checks fail if the session does
		case len(lacking) == 0 && d.lacking.Load() == nil:
			return nil
		case len(lacking) == 0:
			return errHears
		default:
			d.lacking.Store(&lacking)
		}
		if d.lacking.Load() == nil {
			return nil
		}
		select {
		case <-time.After(deafRetry):
		case <-ctx.Done():
			return nil
		}
	}
}

// text says what is missing, or "".
func (d *deafness) text() string {
	lacking := d.lacking.Load()
	if lacking == nil {
		return ""
	}
	var words []string
	for _, u := range *lacking {
		words = append(words, u.String())
	}
	return strings.Join(words, "; ")
}
