package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/web"
)

// eventClasses are the classes of events that the event session asks for:
// the security events, and those of channels.
const eventClasses = "security,call"

// resyncWithin bounds the questions to Asterisk after a new connection.
const resyncWithin = 30 * time.Second

// loadWithin bounds what a start reads of the ledger.
const loadWithin = time.Minute

// daemon is everything that runs together, and who closes it.
type daemon struct {
	cfg         *config.Config                // as at the start; reloads change what reloadable names
	inForce     atomic.Pointer[config.Config] // cfg, or what was read since
	file        *configFile                   // nil: the configuration is of no file
	reloading   sync.Mutex                    // held while the configuration or the allow list changes
	log         zerolog.Logger
	since       time.Time
	table       firewall.Table
	watch       *firewall.Watch       // nil in mode observe
	blindSpot   atomic.Pointer[error] // why challenges are not seen; nil when they are
	ledger      *ledger.Ledger
	link        *pbx.Link // to Asterisk, over the command session
	engine      *responder.Engine
	server      *control.Server
	allow       *allowance
	bans        feed[control.BanChange]
	incidents   feed[incident.Incident]
	second      *logfile.Follower // of Asterisk's log; nil without one
	events      *ami.Dialer       // the event session
	commands    *ami.Dialer       // the command session
	canary      *canary
	kernelGuard *firewall.Guard // nil if the table is not in the kernel
	notifier    *notifier
	herald      *herald
	runner      *runner
	web         *web.Server // nil: nowhere

	memory     *memory
	begunC     chan struct{}             // a session has begun
	blindSince time.Time                 // when the life of the daemon before last saw; zero: there was none
	listening  atomic.Pointer[session]   // the event session there is
	heard      atomic.Pointer[time.Time] // when the last one that ended gave its last sign of life
	gaps       atomic.Uint64
	blind      atomic.Int64 // nanoseconds in them
	lastGap    atomic.Pointer[control.Gap]
	closers    []func() error
}

// session is one life of the event session.
type session struct {
	client  *ami.Client
	since   time.Time
	version string // of Asterisk; its manager's greeting until it has told
}

// newDaemon opens everything in the order that protects soonest: the bans of
// the ledger are in the kernel before Asterisk is even called, or the first
// thousands of them where they are very many. Before anything, its socket: where
// another daemon answers, nothing is touched. open makes the firewall table;
// witness may be nil.
func newDaemon(now time.Time, cfg *config.Config, log zerolog.Logger, open openTable, witness func(incident.Incident)) (_ *daemon, err error) {
	d := &daemon{cfg: cfg, log: log, since: now, begunC: make(chan struct{}, 1)}
	d.inForce.Store(cfg)
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	policy, err := policyOf(cfg)
	if err != nil {
		return nil, err
	}
	if d.server, err = control.Listen(cfg.Socket, desk{d}); err != nil {
		return nil, err
	}
	d.closing(d.server.Close)
	if d.allow, err = openAllowance(cfg, log); err != nil {
		return nil, err
	}
	policy.Allow = d.allow.prefixes()
	fw := tableConfig(cfg)
	fw.Allow = policy.Allow
	if d.table, err = open(fw, log); err != nil {
		return nil, err
	}
	d.closing(d.table.Close)
	if d.ledger, err = ledger.Open(filepath.Join(cfg.Data, "ledger.db"), ledger.Options{Retention: cfg.Ledger.Keep, KeepPlaces: cfg.BreakIn.Known, Log: log}); err != nil {
		return nil, err
	}
	d.closing(d.ledger.Close)
	d.memory = openMemory(cfg.Data)
	d.closing(d.memory.close)
	d.blindSince = d.memory.seen.Events
	options, err := pbxOptions(cfg)
	if err != nil {
		return nil, err
	}
	d.link = pbx.NewLink()
	if err := d.openWatch(); err != nil {
		return nil, err
	}
	told, err := tellingOf(&cfg.Notify)
	if err != nil {
		return nil, err
	}
	d.notifier, d.runner = newNotifier(told, d.ledger, log), newRunner(cfg.Exec, d.ledger)
	d.herald = &herald{notifier: d.notifier}
	asterisk := pbx.New(d.link, options)
	parts := responder.Parts{
		Firewall: firewallAdapter{d.table}, Calls: asterisk, Accounts: asterisk, Inventory: asterisk, Ledger: d.ledger, Log: log,
		Notifier: d.notifier, Exec: d.runner, OnIncident: d.witness(witness), OnBan: d.tellBan,
	}
	if d.watch != nil {
		parts.Watch = d.watch
	}
	load, cancel := context.WithTimeout(context.Background(), loadWithin)
	defer cancel()
	if d.engine, err = responder.New(load, now, policy, parts); err != nil {
		return nil, err
	}
	if cfg.Asterisk.Log != "" {
		d.second = newLogSensor(cfg.Asterisk.Log, d.memory.seen.Log, d.engine)
	}
	if d.events, err = newDialer(cfg, log.With().Str("session", "events").Logger()); err != nil {
		return nil, err
	}
	d.events.Events, d.events.Handle = eventClasses, d.engine.Handle
	if d.commands, err = newDialer(cfg, log.With().Str("session", "commands").Logger()); err != nil {
		return nil, err
	}
	d.canary = newCanary(cfg.Health.Canary, d.engine, d.commands, log)
	d.guardKernel(cfg)
	if cfg.Health.Listen != "" {
		if d.web, err = web.Listen(cfg.Health.Listen, reading{d}); err != nil {
			return nil, err
		}
		d.closing(d.web.Close)
	}
	return d, nil
}

// witness tells those who watch of every change of an incident, and also the
// other one, when there is one.
func (d *daemon) witness(also func(incident.Incident)) func(incident.Incident) {
	return func(i incident.Incident) {
		if also != nil {
			also(i)
		}
		if d.incidents.watched() {
			shown := i.Clone()
			shown.Evidence = nil
			d.incidents.publish(shown)
		}
	}
}

// tellBan tells those who watch of a change of a ban.
func (d *daemon) tellBan(b incident.Ban, change incident.BanChange) {
	if d.bans.watched() {
		d.bans.publish(control.BanChange{At: time.Now(), Change: change, Ban: b})
	}
}

func (d *daemon) closing(f func() error) { d.closers = append(d.closers, f) }

// close lets go of everything, newest first. The drops stay in the kernel.
func (d *daemon) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		if err := d.closers[i](); err != nil {
			d.log.Error().Err(err).Msg("closing")
		}
	}
	d.closers = nil
}

// run does the work until ctx ends.
func (d *daemon) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.engine.Run(ctx) })
	if d.watch != nil {
		g.Go(func() error { return d.seeChallenges(ctx, d.watch.Run) })
	}
	g.Go(func() error { return d.server.Serve(ctx) })
	g.Go(func() error { return d.commands.Run(ctx, d.link.Use) })
	g.Go(func() error { return d.events.Run(ctx, d.listen) })
	if d.second != nil {
		g.Go(func() error { return d.second.Run(ctx) })
	}
	g.Go(func() error { return d.watchHealth(ctx) })
	g.Go(func() error { return d.remember(ctx) })
	g.Go(func() error { return d.notifier.post.Run(ctx) })
	g.Go(func() error { return d.runner.run(ctx) })
	if d.kernelGuard != nil {
		g.Go(func() error { return d.kernelGuard.Run(ctx) })
	}
	if d.web != nil {
		g.Go(func() error { return d.web.Serve(ctx) })
	}
	if d.file != nil {
		g.Go(func() error { return d.obey(ctx) })
	}
	d.log.Info().Str("version", version()).Str("mode", string(d.cfg.Mode)).Int("bans", d.engine.Bans.Count()).Msg("tollwarden runs")
	return g.Wait()
}

// listen is the life of one event session: the picture is rebuilt from
// Asterisk, then kept fresh, while the events come in beside it.
func (d *daemon) listen(ctx context.Context, c *ami.Client) error {
	if addr, ok := c.LocalAddr().(*net.TCPAddr); ok {
		d.engine.SetOwn(addr.AddrPort().Addr().Unmap())
	}
	if addr, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		d.spareManager(addr.AddrPort().Addr().Unmap().WithZone(""))
	}
	d.engine.Listening(time.Now())
	log := d.log.Info()
	if gap := d.gapBefore(c); !gap.IsZero() {
		d.gap(gap.From, gap.To)
		log = d.log.Warn().Time("blind_from", gap.From).Time("blind_to", gap.To)
	}
	log.Str("asterisk", c.Banner()).Msg("listening to Asterisk")
	d.listening.Store(&session{client: c, since: time.Now(), version: c.Banner()})
	select {
	case d.begunC <- struct{}{}:
	default: // it is about to be remembered
	}
	defer func() {
		at := c.LastSeen()
		d.heard.Store(&at)
		d.listening.Store(nil)
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { d.askVersion(ctx); return nil })
	g.Go(func() error { return d.canary.watch(ctx) })
	g.Go(func() error { d.keepPicture(ctx); return ctx.Err() })
	return g.Wait()
}

// askVersion learns Asterisk's own version: the greeting's number is another.
func (d *daemon) askVersion(ctx context.Context) {
	known := *d.listening.Load()
	if version, err := known.client.Version(ctx); err == nil && version != "" {
		known.version = "Asterisk " + version
		d.listening.Store(&known)
	}
}

// spareManager has the host that the manager interface's name led to never
// banned, as one that is configured by its address is.
func (d *daemon) spareManager(addr netip.Addr) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	back, news := d.allow.reached(addr)
	if !news {
		return
	}
	if err := d.allow.enforce(d.applyAllowed, back); err != nil {
		d.log.Error().Err(err).Stringer("address", addr).Msg("the manager interface's host is not on the allow list")
	}
}

// applyAllowed has kernel and responder take an allow list.
func (d *daemon) applyAllowed(list []netip.Prefix) error {
	_, err := d.engine.Allow(list)
	return err
}

// keepPicture asks Asterisk for its channels and registrations, at once and
// then from time to time.
func (d *daemon) keepPicture(ctx context.Context) {
	every(ctx, keepContacts, func() {
		ask, cancel := context.WithTimeout(ctx, resyncWithin)
		defer cancel()
		if err := d.engine.Resync(ask, time.Now()); err != nil && ctx.Err() == nil {
			d.log.Error().Err(err).Msg("Asterisk did not tell its channels and registrations")
		}
	})
}

// openTable makes the table that bans go to.
type openTable func(firewall.Config, zerolog.Logger) (firewall.Table, error)

// tableFor is the kernel, except in mode observe, which touches nothing of it:
// there decisions go to a table in memory.
func tableFor(m config.Mode) openTable {
	if m == config.Observe {
		return inMemory
	}
	return inKernel
}

func inMemory(c firewall.Config, _ zerolog.Logger) (firewall.Table, error) {
	return firewall.NewMemory(c), nil
}

// inKernel takes the kernel's table over, bans and all.
func inKernel(c firewall.Config, log zerolog.Logger) (firewall.Table, error) {
	k, err := firewall.Open(c)
	if err != nil {
		return nil, err
	}
	opened := k.Opened()
	log.Info().Stringer("table", opened.Origin).Int("bans", opened.Bans).Strs("findings", opened.Findings).Msg("the kernel's table is ours")
	return k, nil
}

func newDialer(cfg *config.Config, log zerolog.Logger) (*ami.Dialer, error) {
	d := &ami.Dialer{Address: cfg.Asterisk.Address, Username: cfg.Asterisk.Username, Secret: string(cfg.Asterisk.Secret), Log: log}
	if !cfg.Asterisk.TLS {
		return d, nil
	}
	d.TLS = &tls.Config{ServerName: cfg.Asterisk.TLSName, MinVersion: tls.VersionTLS12}
	if cfg.Asterisk.TLSCA == "" {
		return d, nil
	}
	var err error
	d.TLS.RootCAs, err = authority("asterisk.tls_ca", cfg.Asterisk.TLSCA)
	return d, err
}

// authority reads the certificates that a key of the configuration names.
func authority(key, path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s holds no certificate in PEM form", key, path)
	}
	return pool, nil
}
