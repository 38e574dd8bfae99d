package ami

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	goami "github.com/heltonmarx/goami/ami"
	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami/event"
)

// Gap is a period without a connection to Asterisk, whose events are lost. It lasts from
// the last block on the previous connection to the login on the current one.
type Gap struct{ From, To time.Time }

// IsZero reports whether there was no previous connection.
func (g Gap) IsZero() bool { return g.From.IsZero() }

// Length returns the duration of the gap.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// ErrUnresponsive reports an open connection on which Asterisk no longer responds, for
// example because it is stopped or deadlocked.
var ErrUnresponsive = errors.New("no response from Asterisk")

// Dialer maintains a logged-in connection to Asterisk. Address, Username and Secret are
// required; all other fields have defaults. Fields must not change while Run runs.
type Dialer struct {
	Address          string // host:port
	Username, Secret string
	TLS              *tls.Config // nil: no TLS. ServerName defaults to the host of Address.
	Events           string      // event mask at login, "off" by default

	// Handle is called for every block that is not a response; see NewClient.
	Handle func(now time.Time, b *event.Block)
	Log    zerolog.Logger

	// Dial opens the connection; net.Dialer's DialContext by default.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// ConnectTimeout bounds dialling, the TLS handshake and Asterisk's greeting
	// (5 s by default); LoginTimeout the login (10 s).
	ConnectTimeout, LoginTimeout time.Duration
	// After KeepAlive without a block, the Dialer sends a ping and waits PingTimeout
	// for the response (4 s each by default). It sends no ping while other actions are
	// pending, because Asterisk handles actions one after the other.
	KeepAlive, PingTimeout time.Duration
	// Healthy is how long a connection must last to reset the backoff (30 s by
	// default).
	Healthy time.Duration

	counters Counters
	problem  atomic.Pointer[error] // of the last attempt of Run to connect
}

const (
	firstRetry, slowestRetry         = 100 * time.Millisecond, 2 * time.Second
	firstAuthRetry, slowestAuthRetry = time.Minute, 10 * time.Minute
)

// Counters returns the counters for all connections of the dialer.
func (d *Dialer) Counters() *Counters { return &d.counters }

// Problem returns why Run's last attempt to connect failed, or nil if it did not.
func (d *Dialer) Problem() error {
	if err := d.problem.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *Dialer) note(err error) {
	if err == nil {
		d.problem.Store(nil)
		return
	}
	d.problem.Store(&err)
}

// Run connects, logs in and calls fn with the connection. The context passed to fn ends
// with the connection; Run then waits for fn, backs off and reconnects. It retries a
// rejected login slowly, so that it does not trigger a ban.
//
// Run returns nil when ctx ends, or when fn returns nil while the connection is still
// open. If fn returns an error, Run closes the connection and reconnects.
func (d *Dialer) Run(ctx context.Context, fn func(ctx context.Context, c *Client) error) error {
	r := retry{log: d.Log.With().Str("address", d.Address).Logger()}
	r.reset()
	var lastSeen time.Time
	for ctx.Err() == nil {
		c, err := d.connectOrPush(ctx)
		d.note(err)
		if err == nil {
			if !lastSeen.IsZero() {
				c.gap = Gap{From: lastSeen, To: time.Now()}
			}
			r.loggedIn(c)
			var finished bool
			finished, err = d.serve(ctx, c, fn)
			if finished {
				return nil
			}
			lastSeen = c.LastSeen()
			if time.Since(c.opened) >= or(d.Healthy, 30*time.Second) {
				r.reset()
			}
		}
		if ctx.Err() == nil {
			r.wait(ctx, err)
		}
	}
	return nil
}

// Connect opens one connection and logs in. The caller closes it.
func (d *Dialer) Connect(ctx context.Context) (*Client, error) {
	c, err := d.open(ctx)
	if err != nil {
		return nil, err
	}
	return d.logIn(ctx, c)
}

// logIn logs in over an open connection, and closes it if that fails.
func (d *Dialer) logIn(ctx context.Context, c *Client) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, or(d.LoginTimeout, 10*time.Second))
	defer cancel()
	if err := c.Login(ctx, d.Username, d.Secret, or(d.Events, "off")); err != nil {
		_ = c.Close()
		return nil, err
	}
	d.counters.Logins.Add(1)
	return c, nil
}

// open dials, performs the TLS handshake if configured, and reads the greeting.
func (d *Dialer) open(ctx context.Context) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, or(d.ConnectTimeout, 5*time.Second))
	defer cancel()
	dial := d.Dial
	if dial == nil {
		dial = (&net.Dialer{Control: enlarge}).DialContext
	}
	conn, err := dial(ctx, "tcp", d.Address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("ami: connect: %w: is Asterisk running, with enabled = yes and this port in manager.conf?", err)
	}
	if err != nil {
		return nil, fmt.Errorf("ami: connect: %w", err)
	}
	if d.TLS != nil {
		if conn, err = d.handshake(ctx, conn); err != nil {
			return nil, err
		}
	}
	return newClient(ctx, conn, d.Handle, &d.counters)
}

func (d *Dialer) handshake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	config := d.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(d.Address)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ami: TLS with %s: %w", d.Address, err)
	}
	return secure, nil
}

// serve runs fn until fn returns or the connection ends. It returns whether Run is
// finished, and otherwise why the connection cannot be used any more.
func (d *Dialer) serve(ctx context.Context, c *Client, fn func(context.Context, *Client) error) (finished bool, err error) {
	connCtx, end := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup
	watchers.Go(func() {
		select {
		case <-c.Done():
			end(c.Err())
		case <-connCtx.Done():
		}
	})
	watchers.Go(func() { d.watchLiveness(connCtx, c) })
	err = fn(connCtx, c)
	lost := c.Err()
	end(nil)
	_ = c.Close()
	watchers.Wait()
	switch {
	case ctx.Err() != nil:
		return true, nil
	case lost != nil:
		return false, lost
	default:
		return err == nil, err
	}
}

// watchLiveness closes the connection if Asterisk stops responding.
func (d *Dialer) watchLiveness(ctx context.Context, c *Client) {
	idle, timeout := or(d.KeepAlive, 4*time.Second), or(d.PingTimeout, 4*time.Second)
	for {
		rest := idle - time.Since(c.LastSeen())
		if rest <= 0 && c.busy() {
			rest = idle / 4
		}
		if rest > 0 {
			if !sleep(ctx, rest) {
				return
			}
			continue
		}
		ping, cancel := context.WithTimeout(ctx, timeout)
		err := goami.Ping(ping, NewSession(c), "")
		cancel()
		switch {
		case ctx.Err() != nil || !c.Connected():
			return
		case errors.Is(err, context.DeadlineExceeded):
			c.abort(fmt.Errorf("%w for %s", ErrUnresponsive,
				time.Since(c.LastSeen()).Round(time.Second)))
			return
		}
		// Any other error is a response.
	}
}

// retry delays the attempts and logs each problem once.
type retry struct {
	log    zerolog.Logger
	normal *backoff.ExponentialBackOff
	auth   *backoff.ExponentialBackOff
	logged string // the last error logged
}

func (r *retry) reset() {
	r.normal = newBackoff(firstRetry, slowestRetry)
	r.auth = newBackoff(firstAuthRetry, slowestAuthRetry)
}

func newBackoff(first, slowest time.Duration) *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = first, slowest
	b.Multiplier, b.RandomizationFactor = 2, 0.3
	b.Reset()
	return b
}

// loggedIn logs the recovery.
func (r *retry) loggedIn(c *Client) {
	e := r.log.Info().Str("banner", c.Banner())
	if !c.Gap().IsZero() {
		e = e.Dur("gap", c.Gap().Length())
	}
	e.Msg("logged in to Asterisk")
	r.logged = ""
	r.auth.Reset()
}

// wait logs the error, unless it was logged last, and sleeps until the next attempt.
func (r *retry) wait(ctx context.Context, err error) {
	b := r.normal
	if errors.Is(err, ErrAuth) {
		b = r.auth
	}
	pause := b.NextBackOff()
	if text := err.Error(); text != r.logged {
		r.log.Error().Err(err).Dur("retry_in", pause).Msg("no connection to Asterisk's manager")
		r.logged = text
	}
	sleep(ctx, pause)
}

// sleep sleeps and returns false if ctx ended.
func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// or returns value, or fallback if value is zero.
func or[T comparable](value, fallback T) T {
	var none T
	if value == none {
		return fallback
	}
	return value
}
