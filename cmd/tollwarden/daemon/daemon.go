package daemon

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/orders"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/web"
)

// loadWithin bounds how long a start reads the ledger.
const loadWithin = time.Minute

// Options are what a daemon is made from.
type Options struct {
	Config *config.Config
	// File is where Config was read from. Without it nothing can be reloaded.
	File *settings.File
	Log  zerolog.Logger
	// Version is what status and the metrics show.
	Version string
	// Firewall opens the table that bans go to: by default the kernel's.
	Firewall OpenTable
	// OnIncident, if set, gets each incident as it opens and after every change
	// of a step. It must not block.
	OnIncident func(incident.Incident)
}

// Daemon is everything that runs together. It is run once and then closed.
type Daemon struct {
	log     zerolog.Logger
	version string
	since   time.Time

	config    *configuration
	kernel    *kernel
	ports     *ports
	ledger    *ledger.Ledger
	lastSeen  *lastSeenFile
	engine    *responder.Engine
	notifier  *notifier
	names     *roster
	userMail  *userMail
	alarms    *alarmNotifier
	command   *commandRunner
	wire      *wireSensor
	logSensor *logSensor

	newPasswords *newPasswords
	trials       *trials
	sessions     *sessions
	health       *health
	history      *pastCalls
	weekly       *weekly
	feeds        feeds
	api          *apiBackend
	socket       *control.Server
	web          *web.Server // nil if health.listen is not set

	closers []func() error
}

// New opens everything, in the order that protects soonest: the ledger's bans are
// in the kernel before Asterisk is called. The control socket comes first: if
// another daemon answers there, nothing is touched. ctx bounds only New. The
// caller closes the Daemon.
func New(ctx context.Context, o Options) (_ *Daemon, err error) {
	d := &Daemon{log: o.Log, version: o.Version, since: time.Now()}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	for _, open := range []func(context.Context, Options) error{d.openSocket, d.openStores, d.openEngine, d.openSensors, d.openReports} {
		if err := open(ctx, o); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// openSocket opens the control socket, which answers only once Run serves it.
func (d *Daemon) openSocket(_ context.Context, o Options) (err error) {
	d.api = &apiBackend{}
	if d.socket, err = control.Listen(o.Config.Socket, d.api); err != nil {
		return err
	}
	d.closeLater(d.socket.Close)
	return nil
}

// openStores opens what outlives the daemon: the allow file, the firewall's
// table, the ledger and what the previous run left.
func (d *Daemon) openStores(_ context.Context, o Options) error {
	allow, err := openAllowList(o.Config, o.Log)
	if err != nil {
		return err
	}
	d.config = newConfiguration(o.Config, o.File, allow, o.Log)
	open := o.Firewall
	if open == nil {
		open = tableFor(o.Config.Mode)
	}
	of := settings.Firewall(o.Config)
	of.Allow = allow.prefixes(d.since)
	d.config.names, d.config.enforced = openAllowNames(o.Config.Data, lookupHost, o.Log), of.Allow
	d.ports = newPorts(settings.Ports(o.Config), openPortsFile(o.Config.Data, o.Log), o.Log)
	of.SIPPorts, of.TCPPorts, _, _ = d.ports.initial()
	table, err := open(of, o.Log)
	if err != nil {
		return err
	}
	d.ports.table = table
	d.kernel = &kernel{table: table}
	d.closeLater(table.Close)
	if d.ledger, err = ledger.Open(settings.LedgerPath(o.Config), ledger.Options{Retention: o.Config.Ledger.Keep, Size: o.Config.Ledger.Size, KeepPlaces: max(o.Config.BreakIn.Known, places.LivedFor), Log: o.Log}); err != nil {
		return err
	}
	d.closeLater(d.ledger.Close)
	d.lastSeen = openLastSeen(o.Config.Data, o.Log)
	d.closeLater(d.lastSeen.close)
	return nil
}

// openEngine makes the core and everything that it acts on.
func (d *Daemon) openEngine(ctx context.Context, o Options) (err error) {
	_, _, udp, tcp := d.ports.initial()
	if d.wire, err = openWireSensor(o.Config, udp, tcp, d.kernel.table, o.Log); err != nil {
		return err
	}
	d.closeLater(d.wire.close)
	policy, err := settings.Policy(o.Config)
	if err != nil {
		return err
	}
	policy.Allow = d.config.enforced
	if policy.Budget.Rates, _, err = settings.Rates(o.Config); err != nil {
		o.Log.Error().Err(err).Msg("what calls cost is estimated at default rates")
	}
	options, err := settings.PBX(o.Config)
	if err != nil {
		return err
	}
	options.Fingerprints = openFingerprints(o.Config.Data, o.Log)
	options.Outdated = func(account string, password orders.Fingerprint) bool { return d.engine.Outdated(account, password) }
	messages, err := parseNotifyConfig(&o.Config.Notify)
	if err != nil {
		return err
	}
	d.notifier = newNotifier(messages, d.ledger, o.Log)
	d.alarms = &alarmNotifier{notifier: d.notifier}
	d.command = newCommandRunner(o.Config.Exec, d.ledger)
	link := pbx.NewLink()
	asterisk := pbx.New(link, options)
	d.names = newRoster(asterisk, o.Log)
	d.userMail = &userMail{host: d.notifier.host, names: d.names, send: d.notifier.post.SendUser, log: o.Log}
	d.userMail.words.Store(messages.users)
	d.notifier.names, d.command.names, d.feeds.names = d.names, d.names, d.names
	d.sessions = &sessions{link: link, ports: d.ports, names: d.names, log: o.Log, begun: make(chan struct{}, 1)}
	d.ports.ask = asterisk.Binds
	d.newPasswords = &newPasswords{settle: asterisk.SettlePasswords, soonC: make(chan struct{}, 1), log: o.Log}
	d.trials = &trials{asterisk: asterisk, config: d.config.current.Load}
	if d.logSensor, err = newLogSensor(o.Config, d.lastSeen.seen.Log, d.since); err != nil {
		return err
	}
	parts := responder.Parts{
		Firewall: firewallAdapter{d.kernel.table}, Calls: asterisk, Accounts: asterisk, Inventory: asterisk, Standing: asterisk, Before: d.logSensor, Ledger: d.ledger, Own: OwnAddresses, Log: o.Log,
		Notifier: d.notifier, Exec: d.command, OnIncident: d.feeds.onIncident(d.userMail.also(o.OnIncident)), OnBan: d.feeds.onBan, OnPartial: d.feeds.onPartial,
		LocalPort: d.ports.name, OnReload: d.newPasswords.soon, AtOnce: d.sessions.atOnce,
		OnOrder: func(n contain.News) {
			if n.Alarm {
				d.alarms.notify(orderAlarm(time.Now(), n))
			}
		},
	}
	if d.wire.watch != nil {
		parts.Watch, d.ports.watch = d.wire.watch, d.wire.watch
	}
	load, cancel := context.WithTimeout(ctx, loadWithin)
	defer cancel()
	d.engine, err = responder.New(load, d.since, policy, parts)
	d.wire.engine, d.sessions.engine, d.logSensor.engine = d.engine, d.engine, d.engine
	if err == nil {
		d.wire.throttle.ended = d.engine.CannotThrottle
	}
	return err
}

// openSensors prepares what brings events in, and the guard of the table.
func (d *Daemon) openSensors(_ context.Context, o Options) (err error) {
	if d.sessions.events, err = settings.Dialer(o.Config, o.Log.With().Str("session", "events").Logger()); err != nil {
		return err
	}
	d.sessions.events.Events, d.sessions.events.Handle = eventClasses, d.engine.Handle
	if d.sessions.commands, err = settings.Dialer(o.Config, o.Log.With().Str("session", "commands").Logger()); err != nil {
		return err
	}
	d.sessions.crowd = newCrowd(o.Config.Asterisk.Address)
	d.sessions.canary = newCanary(o.Config.Health.Canary, d.engine, d.sessions.commands, o.Log)
	d.sessions.canary.crowd = func() string { return d.sessions.crowd.text(time.Now()) }
	d.sessions.gaps = &gaps{stoppedAt: d.lastSeen.seen.Events, logIsRead: d.logSensor.isRead, record: d.engine.Gap, alarm: d.alarms.notify}
	d.sessions.managerAt = d.config.managerAt
	d.kernel.guardWith(firewall.GuardConfig{
		Watch: d.wire.watch, Interval: o.Config.Health.Firewall, Log: o.Log,
		Reconcile: func(time.Time) error { return d.engine.Reconcile() },
		OnRepair: func(e firewall.GuardEvent) {
			d.engine.Unwatched(time.Now())
			d.alarms.notify(repairAlarm(e))
		},
	})
	d.ports.unwatched = d.engine.Unwatched
	d.config.engine, d.config.ports, d.config.kernel, d.config.apply = d.engine, d.ports, d.kernel, d.apply
	d.engine.SetNamed(d.since, d.config.names.places(d.config.allow.names(d.since)))
	return nil
}

// openReports prepares everything that says how the daemon is.
func (d *Daemon) openReports(_ context.Context, o Options) (err error) {
	d.history = &pastCalls{cfg: o.Config, engine: d.engine, log: o.Log}
	d.health = newHealth(d.probes(), d.alarms.notify, o.Log)
	d.health.canary = d.sessions.canary
	d.health.summary = func() string { return summary(d.config.mode(), d.engine.Bans.Count()) }
	load, effect := &overload{shed: &d.sessions.events.Counters().Shed, log: o.Log}, &effectAlarms{alarm: d.alarms.notify}
	waiting := &breakerAlarms{alarm: d.alarms.notify}
	d.health.tick = func(now time.Time) {
		load.look(now)
		senses := d.engine.Senses(now)
		effect.look(now, senses.Ineffective)
		waiting.look(now, senses.Breaker)
	}
	d.weekly = openWeekly(o.Config.Data, d.notifier, weekSources{
		ledger: d.ledger, names: d.names, mode: d.config.mode, checks: d.health.checks,
		currency: func(now time.Time) string { return d.engine.Spending(now).Currency },
	}, o.Log)
	status := statusSource{
		version: d.version, since: d.since, health: d.health, config: d.config,
		engine: d.engine, ledger: d.ledger, kernel: d.kernel, ports: d.ports, sessions: d.sessions, wire: d.wire, notifier: d.notifier, names: d.names,
	}
	*d.api = apiBackend{statusSource: status, feeds: &d.feeds}
	if o.Config.Health.Listen == "" {
		return nil
	}
	if d.web, err = web.Listen(o.Config.Health.Listen, metricsSource{status, d.alarms, d.logSensor}); err != nil {
		return err
	}
	d.closeLater(d.web.Close)
	return nil
}

// probes are what must hold for an attack to be stopped now.
func (d *Daemon) probes() []probe {
	senses := func(check func(time.Time, responder.Senses) control.Check) func(time.Time) control.Check {
		return func(now time.Time) control.Check { return check(now, d.engine.Senses(now)) }
	}
	return []probe{
		{check: senses(checkPause)},
		{check: d.sessions.checkEvents},
		{check: d.sessions.checkCommands},
		{check: d.sessions.canary.check},
		{check: d.kernel.check},
		{check: senses(checkRoom)},
		{check: d.ports.check},
		{check: senses(checkEffect)},
		{check: senses(checkAttacks)},
		{check: senses(checkBreaker)},
		{check: senses(checkOrders)},
		{check: senses(checkPhones)},
		{check: d.config.checkFiles, every: filesEvery},
		{check: d.config.checkAllowList, every: filesEvery},
		{check: senses(d.wire.check)},
		{check: func(time.Time) control.Check { return checkLedger(d.ledger.Health()) }},
		{check: senses(d.logSensor.check)},
		{check: d.newPasswords.check},
		{check: d.trials.check},
		{check: func(now time.Time) control.Check { return checkPasswords(d.engine.StolenPasswords(now)) }},
	}
}

// apply puts in force what a reload can change outside the engine.
func (d *Daemon) apply(cfg *config.Config, messages *notifyConfig) {
	d.notifier.set(messages)
	d.userMail.words.Store(messages.users)
	d.names.again()
	d.command.set(cfg.Exec)
	d.sessions.canary.set(cfg.Health.Canary)
	d.kernel.setInterval(cfg.Health.Firewall)
}

func (d *Daemon) closeLater(closer func() error) { d.closers = append(d.closers, closer) }

// Close releases everything, newest first. Bans stay in the kernel.
func (d *Daemon) Close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		if err := d.closers[i](); err != nil {
			d.log.Error().Err(err).Msg("close")
		}
	}
	d.closers = nil
}

// Run works until ctx ends. Bans stay in the kernel.
func (d *Daemon) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	tasks := []func(context.Context) error{
		d.engine.Run, d.wire.run, d.wire.throttle.run, d.socket.Serve, d.sessions.run, d.logSensor.run, d.health.run, d.rememberLastSeen,
		d.notifier.post.Run, d.names.run, d.command.run, d.kernel.run, d.config.handleSIGHUP, d.config.watchAllowList, d.newPasswords.run, d.trials.run, d.history.run, d.weekly.run,
	}
	if d.web != nil {
		tasks = append(tasks, d.web.Serve)
	}
	for _, run := range tasks {
		g.Go(func() error { return run(ctx) })
	}
	d.log.Info().Str("version", d.version).Str("mode", string(d.config.mode())).Int("bans", d.engine.Bans.Count()).Msg("tollwarden is running")
	return g.Wait()
}

// rememberLastSeen keeps the file for the next run up to date.
func (d *Daemon) rememberLastSeen(ctx context.Context) error {
	return d.lastSeen.keep(ctx, d.sessions.begun, func(s lastSeen) lastSeen {
		if at := d.sessions.lastSeen(); !at.IsZero() {
			s.Events = at
		}
		if place := d.logSensor.place(); place != nil {
			s.Log = place
		}
		return s
	})
}
