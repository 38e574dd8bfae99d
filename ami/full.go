package ami

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull reports a connection that Asterisk closed before its greeting. It does so while
// as many connections as it accepts (authlimit in manager.conf, 50 by default) have not
// logged in, each for up to 30 s (authtimeout).
var ErrFull = errors.New("closed by Asterisk before its greeting, as when too many connections to its manager port have not logged in (authlimit in manager.conf)")

const (
	// pushers connect at the same time while the manager port is full, and each of them
	// pauses for pushPause between two attempts: some 300 attempts a second in all. Idle
	// connections free their place after authtimeout, 30 s by default, and whoever
	// connects first then has it. Against 400 clients that connect as fast as they can,
	// this is a matter of 30 s; with a single attempt every two seconds it is one of luck.
	pushers   = 4
	pushPause = 10 * time.Millisecond
	// pushFor bounds one push: longer than authtimeout, so that each place was free once.
	pushFor = 40 * time.Second
)

// connectOrPush is Connect, which pushes for a place while the manager port is full.
func (d *Dialer) connectOrPush(ctx context.Context) (*Client, error) {
	c, err := d.Connect(ctx)
	if !errors.Is(err, ErrFull) {
		return c, err
	}
	d.Log.Warn().Str("address", d.Address).Err(err).Msg("no room at Asterisk's manager port: trying until there is")
	return d.push(ctx)
}

// push connects from several goroutines until one connection is greeted, Asterisk gives
// another answer than ErrFull, or the time is up. That connection alone logs in: two would
// get every event twice.
func (d *Dialer) push(ctx context.Context) (*Client, error) {
	pushing, cancel := context.WithTimeout(ctx, pushFor)
	defer cancel()
	var (
		all    sync.WaitGroup
		once   sync.Once
		client *Client
		err    = ErrFull
	)
	for range pushers {
		all.Go(func() {
			for pushing.Err() == nil {
				c, oerr := d.open(pushing)
				if errors.Is(oerr, ErrFull) {
					sleep(pushing, pushPause)
					continue
				}
				if oerr != nil && pushing.Err() != nil {
					return
				}
				first := false
				once.Do(func() { first, client, err = true, c, oerr })
				if !first && oerr == nil {
					_ = c.Close()
				}
				cancel()
			}
		})
	}
	all.Wait()
	if err != nil {
		return nil, err
	}
	return d.logIn(ctx, client)
}
