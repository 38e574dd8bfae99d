package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/responder/control"
)

const (
	// canaryWithin is how long a canary may be on its way through Asterisk.
	canaryWithin = 10 * time.Second
	// canaryRetry is when a canary that could not be sent is tried again.
	canaryRetry = 5 * time.Second
	// unknownUserEvery is how often at most a canary has a made-up name. That is
	// a failed login from localhost, which Asterisk logs in two or three lines.
	// fail2ban's jail bans at five (maxretry) in ten minutes (findtime), and
	// ignores the host's own addresses anyway (ignoreself).
	unknownUserEvery = 15 * time.Minute
)

// errDeaf reports that Asterisk did what raises a security event, and that the
// event session did not get it.
var errDeaf = errors.New("the test event did not arrive: Asterisk's security events do not reach the daemon")

// canaryEngine announces canaries; the channel is closed when the canary arrives.
type canaryEngine interface {
	Canary() (name string, heard <-chan struct{})
	OwnCanary() (heard <-chan struct{})
}

// canary proves that Asterisk's security events reach us: every so often it logs
// in to the manager interface over a connection of its own and waits for the event
// that this raises. That takes the socket, the login, the event classes,
// manager.conf's filters, the parser and the engine's lock.
//
// Most canaries log in with our own name, which succeeds. From time to time one
// has a made-up name, to see that events of failures arrive too. No score counts
// either.
//
// If nobody can log in, as when somebody fills the manager port with idle connections,
// the canary is an action of a made-up name over the event session itself, which raises
// an event, too: a port without room is no deaf session.
type canary struct {
	engine canaryEngine
	dialer *ami.Dialer // logs in as we do
	login  func(context.Context, *ami.Dialer) error
	crowd  func() string // who is connected to the manager port; "" if that is not known
	log    zerolog.Logger

	mu              sync.Mutex
	every           time.Duration
	lastUnknownUser time.Time // when the last made-up name was sent
	status          canaryStatus
}

// actor has Asterisk carry out an action without headers over the event session.
type actor func(ctx context.Context, action string) error

// canaryStatus is what became of the canaries.
type canaryStatus struct {
	heard   time.Time // when the last one arrived
	err     error     // why the last one did not; nil if it did
	lost    uint64    // did not arrive in time
	unsent  uint64    // could not be sent
	overdue bool      // the last one arrived too long ago, whatever the reason
	closed  string    // why the last one took the event session: nobody can log in; "" if it did not
}

func newCanary(every time.Duration, engine canaryEngine, dialer *ami.Dialer, log zerolog.Logger) *canary {
	return &canary{every: every, engine: engine, dialer: dialer, login: login, crowd: func() string { return "" }, log: log}
}

// run sends canaries as long as the event session of ctx lives, over which act acts. It
// returns errDeaf if one does not arrive: the session is then of no use.
func (c *canary) run(ctx context.Context, act actor) error {
	for ctx.Err() == nil {
		err, closed := c.send(ctx), ""
		if err != nil && !errors.Is(err, errDeaf) && ctx.Err() == nil {
			if over := c.sendOver(ctx, act); over == nil || errors.Is(over, errDeaf) {
				err, closed = over, c.closedText(err)
			}
		}
		if ctx.Err() != nil {
			break
		}
		c.note(time.Now(), err, closed)
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
	dialer := ami.Dialer{Address: c.dialer.Address, TLS: c.dialer.TLS, Username: c.dialer.Username, Secret: c.dialer.Secret}
	var heard <-chan struct{}
	madeUp := c.unknownUserDue(time.Now())
	if madeUp {
		dialer.Username, heard = c.engine.Canary()
		dialer.Secret = "none"
	} else {
		heard = c.engine.OwnCanary()
	}
	sent := make(chan error, 1)
	go func() { sent <- c.login(ctx, &dialer) }()
	select {
	case <-heard:
		if madeUp {
			c.sentUnknownUser(time.Now())
		}
		cancel()
		<-sent
		return nil
	case err := <-sent:
		if err != nil && !errors.Is(err, ami.ErrAuth) {
			return fmt.Errorf("the test event could not be sent: %w", err)
		}
	case <-ctx.Done():
		return fmt.Errorf("the test event could not be sent: %w", <-sent)
	}
	if madeUp {
		c.sentUnknownUser(time.Now())
	}
	return c.await(ctx, heard)
}

// sendOver sends one canary over the event session and waits for it.
func (c *canary) sendOver(ctx context.Context, act actor) error {
	ctx, cancel := context.WithTimeout(ctx, canaryWithin)
	defer cancel()
	name, heard := c.engine.Canary()
	var answer *ami.Error
	if err := act(ctx, name); err != nil && !errors.As(err, &answer) { // that there is no such action is an answer
		return fmt.Errorf("the test event could not be sent: %w", err)
	}
	return c.await(ctx, heard)
}

func (c *canary) await(ctx context.Context, heard <-chan struct{}) error {
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return errDeaf
	}
}

// closedText says why nobody can log in, and what to do about that.
func (c *canary) closedText(err error) string {
	if !errors.Is(err, ami.ErrFull) {
		return "no new login is possible: " + strings.TrimPrefix(err.Error(), "the test event could not be sent: ")
	}
	return crowdText(c.crowd())
}

// login logs in and out again.
func login(ctx context.Context, d *ami.Dialer) error {
	client, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	return client.Close()
}

func (c *canary) unknownUserDue(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.lastUnknownUser) >= unknownUserEvery
}

func (c *canary) sentUnknownUser(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastUnknownUser = now
}

// note records what became of a canary; nil is that it arrived. closed says why nobody
// can log in.
func (c *canary) note(now time.Time, err error, closed string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if closed != "" {
		c.status.unsent++
	}
	switch {
	case closed != "" && c.status.closed == "":
		c.log.Warn().Str("reason", closed).Msg("nobody can log in to Asterisk's manager; the daemon's own sessions are in place")
	case closed == "" && err == nil && c.status.closed != "":
		c.log.Info().Msg("logins to Asterisk's manager are possible again")
	}
	c.status.closed = closed
	switch {
	case err == nil:
		c.status.heard = now
		if c.status.err != nil {
			c.log.Info().Msg("test events arrive again")
		}
	case errors.Is(err, errDeaf):
		c.status.lost++
	default:
		c.status.unsent++
	}
	if err != nil && c.status.err == nil {
		c.log.Error().Err(err).Msg("no test event arrived")
	}
	c.status.err = err
}

func (c *canary) interval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.every
}

// set changes the interval after the canary that is awaited.
func (c *canary) set(every time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.every = every
}

func (c *canary) state(now time.Time) canaryStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.overdue = s.heard.IsZero() || now.Sub(s.heard) > 2*c.every+canaryWithin
	return s
}

func (c *canary) check(now time.Time) control.Check {
	check := control.Check{Name: "canary"}
	s := c.state(now)
	switch {
	case s.err != nil:
		check.Detail = s.err.Error()
	case s.heard.IsZero():
		check.Detail = "none has arrived yet"
	case s.overdue:
		check.Detail = "the last one arrived " + ago(now, s.heard)
	default:
		check.OK, check.Detail = true, "it came through "+ago(now, s.heard)
	}
	if check.OK && s.closed != "" {
		check.Detail += ", over the session that there is; but " + s.closed
	}
	return check
}
