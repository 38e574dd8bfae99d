package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// eventClasses are the classes of events that the event session asks for:
// security events and those of channels.
const eventClasses = "security,call"

const (
	// resyncEvery is how often Asterisk's channels and registrations are read,
	// besides after each connection.
	resyncEvery = 5 * time.Minute
	// unannouncedEvery is how often the registrations that no event reports are read.
	unannouncedEvery = 5 * time.Second
	// forwardsEvery is how often the call forwards in Asterisk's database are read. That is
	// three short lists.
	forwardsEvery = 10 * time.Second
	// resyncWithin bounds one reading.
	resyncWithin = 30 * time.Second
)

// sessions are the two connections to Asterisk: one brings events, one takes
// commands.
type sessions struct {
	events, commands *ami.Dialer
	engine           *responder.Engine
	link             *pbx.Link // uses the command session
	canary           *canary
	ports            *ports
	names            *roster
	crowd            *crowd
	gaps             *gaps
	deaf             deafness
	managerAt        func(netip.Addr) // gets the manager interface's address
	log              zerolog.Logger

	noForwards bool // the last reading of call forwards failed

	begun    chan struct{} // an event session has begun
	current  atomic.Pointer[eventSession]
	lastSign atomic.Pointer[time.Time] // the last sign of life of the session that ended last
}

// eventSession is one life of the event session.
type eventSession struct {
	client  *ami.Client
	since   time.Time
	version string // Asterisk's; until it is known, the manager interface's greeting
}

// run keeps both sessions until ctx ends.
func (s *sessions) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.commands.Run(ctx, s.link.Use) })
	g.Go(func() error { return s.events.Run(ctx, s.listen) })
	return g.Wait()
}

// listen serves one event session: it reads Asterisk's state, and keeps it fresh
// while events come in.
func (s *sessions) listen(ctx context.Context, c *ami.Client) error {
	if addr, ok := c.LocalAddr().(*net.TCPAddr); ok {
		s.engine.SetOwn(addr.AddrPort().Addr().Unmap())
	}
	if addr, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		s.managerAt(addr.AddrPort().Addr().Unmap().WithZone(""))
	}
	s.engine.Listening(time.Now())
	s.engine.Reloaded() // Asterisk may have been restarted
	log, message := s.log.Info(), "listening to Asterisk"
	if gap := s.gaps.before(time.Now(), c.Gap()); !gap.IsZero() {
		s.gaps.add(gap)
		log, message = s.log.Warn().Time("blind_from", gap.From).Time("blind_to", gap.To), "listening to Asterisk again: no events arrived meanwhile"
	}
	log.Str("asterisk", c.Banner()).Msg(message)
	s.current.Store(&eventSession{client: c, since: time.Now(), version: c.Banner()})
	select {
	case s.begun <- struct{}{}:
	default: // the previous session is still to be noted
	}
	defer func() {
		at := c.LastSeen()
		s.lastSign.Store(&at)
		s.current.Store(nil)
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { s.askVersion(ctx); return nil })
	g.Go(func() error {
		return s.canary.run(ctx, func(ctx context.Context, action string) error {
			_, err := c.Do(ctx, ami.Action{Name: action})
			return err
		})
	})
	g.Go(func() error {
		return s.deaf.watch(ctx, func(ctx context.Context) ([]pbx.Unread, bool, error) {
			return pbx.New(c, pbx.Options{}).Unread(ctx, s.events.Username)
		})
	})
	g.Go(func() error { s.keepInSync(ctx); return ctx.Err() })
	g.Go(func() error { s.ports.keep(ctx); return ctx.Err() })
	return g.Wait()
}

// askVersion asks for Asterisk's version: the greeting names that of the manager
// interface.
func (s *sessions) askVersion(ctx context.Context) {
	known := *s.current.Load()
	if version, err := known.client.Version(ctx); err == nil && version != "" {
		known.version = "Asterisk " + version
		s.current.Store(&known)
	}
}

// keepInSync reads Asterisk's channels and registrations at once and then from
// time to time.
func (s *sessions) keepInSync(ctx context.Context) {
	tick, often, forwards := time.NewTicker(resyncEvery), time.NewTicker(unannouncedEvery), time.NewTicker(forwardsEvery)
	defer tick.Stop()
	defer often.Stop()
	defer forwards.Stop()
	s.resync(ctx)
	s.resyncForwards(ctx)
	for {
		s.resyncUnannounced(ctx)
		select {
		case <-tick.C:
			s.resync(ctx)
		case <-often.C:
		case <-forwards.C:
			s.resyncForwards(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// resyncUnannounced reads what no event reports. A failure is seen at the next resync.
func (s *sessions) resyncUnannounced(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, resyncWithin)
	defer cancel()
	if err := s.engine.ResyncUnannounced(asking); err != nil && ctx.Err() == nil {
		s.log.Debug().Err(err).Msg("cannot read the registrations over IAX2")
	}
}

// resyncForwards reads the call forwards. A failure shows in the log once.
func (s *sessions) resyncForwards(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, resyncWithin)
	defer cancel()
	err := s.engine.ResyncForwards(asking, time.Now())
	if err != nil && ctx.Err() == nil && !s.noForwards {
		s.log.Error().Err(err).Msg("cannot read the call forwards in Asterisk's database")
	}
	s.noForwards = err != nil
}

func (s *sessions) resync(ctx context.Context) {
	s.names.again()
	asking, cancel := context.WithTimeout(ctx, resyncWithin)
	defer cancel()
	if err := s.engine.Resync(asking, time.Now()); err != nil && ctx.Err() == nil {
		s.log.Error().Err(err).Msg("cannot read Asterisk's channels and registrations")
	}
}

// lastSeen is the last sign of life of the event session; zero before the first
// session.
func (s *sessions) lastSeen() time.Time {
	if session := s.current.Load(); session != nil {
		return session.client.LastSeen()
	}
	if at := s.lastSign.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

func (s *sessions) checkEvents(time.Time) control.Check {
	session := s.current.Load()
	if session == nil {
		return control.Check{Name: "events", Detail: "no event session: attacks are not seen" + s.why(s.events)}
	}
	if missing := s.deaf.text(); missing != "" {
		return control.Check{Name: "events", Detail: missing + " in manager.conf, then run `asterisk -rx \"manager reload\"`"}
	}
	detail := "listening to " + session.version
	if n := s.events.Counters().Shed.Total(); n > 0 {
		detail += fmt.Sprintf("; %d events arrived too fast and were skipped; none of them could reveal a break-in", n)
	}
	if s.engine.Unannounced() {
		detail += "; IAX2 raises none: its calls and registrations are looked up, its wrong passwords seen only with asterisk.log and authdebug=yes in iax.conf"
	}
	return control.Check{Name: "events", OK: true, Detail: detail}
}

func (s *sessions) checkCommands(time.Time) control.Check {
	if s.link.Connected() {
		return control.Check{Name: "commands", OK: true, Detail: "connected"}
	}
	return control.Check{Name: "commands", Detail: "no command session: calls cannot be ended and passwords cannot be changed" + s.why(s.commands)}
}

// atOnce returns a context with which what is asked of Asterisk fails instead of waiting for a
// session, or why there is none.
func (s *sessions) atOnce(ctx context.Context) (context.Context, error) {
	ctx, ok := s.link.AtOnce(ctx)
	if !ok {
		return ctx, fmt.Errorf("%w%s: nothing was done, nor will it be later: give the order again when `tollwarden status` shows the check \"commands\" as ok", incident.ErrUnreachable, s.why(s.commands))
	}
	return ctx, nil
}

// why says why there is no session, to be appended to that.
func (s *sessions) why(d *ami.Dialer) string {
	err := d.Problem()
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ami.ErrFull):
		return ": " + crowdText(s.crowd.text(time.Now()))
	}
	return ": " + err.Error()
}
