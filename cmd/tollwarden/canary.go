package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder"
)

const (
	// canaryWithin is how long a canary may be on its way through Asterisk.
	canaryWithin = 10 * time.Second
	// canaryRetry is when one that could not even be sent is tried again.
	canaryRetry = 5 * time.Second
	// strangerEvery is how often at most a canary has a made-up name. That is a
	// failed login of localhost, which Asterisk writes into its logs as two or
	// three lines. fail2ban's jail bans at five (maxretry) in ten minutes
	// (findtime), and spares the host's own addresses anyway (ignoreself).
	strangerEvery = 15 * time.Minute
)

// errDeaf: Asterisk did what raises a security event, and the event session
// did not hear of it.
var errDeaf = errors.New("the canary was not heard: Asterisk's security events do not reach us")

// canary proves that Asterisk's security events reach us: every so often it
// logs in to the manager interface over a connection of its own and waits for
// the event that this raises. That takes the socket, the login, the event
// classes, manager.conf's filters, the parser and the responder's own lock.
//
// Most canaries log in as we do, which succeeds and harms nobody's statistics.
// At most every quarter of an hour one has a made-up name, to see that events of
// failures come, too. No score counts either.
type canary struct {
	every     time.Duration
	responder *responder.Engine
	us        *ami.Dialer // how we log in
	log       zerolog.Logger

	mu       sync.Mutex
	stranger time.Time // when the last made-up name was sent
	heard    time.Time // when the last one was heard
	trouble  error     // why the last one was not; nil when it was
	lost     uint64    // not heard in time
	unsent   uint64    // could not be sent
}

func newCanary(every time.Duration, r *responder.Engine, dialer *ami.Dialer, log zerolog.Logger) *canary {
	return &canary{every: every, responder: r, us: dialer, log: log}
}

// watch sends canaries as long as the event session of ctx lives. It returns
// errDeaf when one is not heard: the session is then of no use.
func (c *canary) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		err := c.send(ctx)
		if ctx.Err() != nil {
			break
		}
		c.note(err)
		if errors.Is(err, errDeaf) {
			return err
		}
		pause := c.interval()
		if err != nil {
			pause = min(pause, canaryRetry)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// send sends one canary and waits for it.
func (c *canary) send(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, canaryWithin)
	defer cancel()
	sent := make(chan error, 1)
	dialer := ami.Dialer{Address: c.us.Address, TLS: c.us.TLS, Username: c.us.Username, Secret: c.us.Secret}
	var heard <-chan struct{}
	if c.strangersTurn(time.Now()) {
		dialer.Username, heard = c.responder.Canary()
		dialer.Secret = "none"
	} else {
		heard = c.responder.OwnCanary()
	}
	go func() { sent <- login(ctx, &dialer) }()
	select {
	case <-heard:
		cancel()
		<-sent
		return nil
	case err := <-sent:
		if err != nil && !errors.Is(err, ami.ErrAuth) {
			return fmt.Errorf("the canary could not be sent: %w", err)
		}
	case <-ctx.Done():
		return fmt.Errorf("the canary could not be sent: %w", <-sent)
	}
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return errDeaf
	}
}

// login logs in and out again.
func login(ctx context.Context, d *ami.Dialer) error {
	client, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	return client.Close()
}

func (c *canary) strangersTurn(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.stranger) < strangerEvery {
		return false
	}
	c.stranger = now
	return true
}

func (c *canary) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.heard = time.Now()
		if c.trouble != nil {
			c.log.Info().Msg("the canary is heard again")
		}
	case errors.Is(err, errDeaf):
		c.lost++
	default:
		c.unsent++
	}
	if err != nil && c.trouble == nil {
		c.log.Error().Err(err).Msg("the canary was not heard")
	}
	c.trouble = err
}

func (c *canary) interval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.every
}

func (c *canary) set(every time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.every = every
}

// song is how the canary is.
type song struct {
	heard        time.Time
	trouble      error
	lost, unsent uint64
	overdue      bool // too long ago, whatever the reason
}

func (c *canary) song(now time.Time) song {
	c.mu.Lock()
	defer c.mu.Unlock()
	return song{
		heard: c.heard, trouble: c.trouble, lost: c.lost, unsent: c.unsent,
		overdue: c.heard.IsZero() || now.Sub(c.heard) > 2*c.every+canaryWithin,
	}
}
