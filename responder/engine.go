package responder

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Parts are the engine's edges.
type Parts struct {
	Firewall  bans.Firewall
	Calls     contain.Calls
	Accounts  contain.Accounts
	Inventory Inventory
	// Standing may be nil: then nothing is kept in force.
	Standing contain.Standing
	// Before may be nil: then nothing is known of the time without events.
	Before Before
	Ledger *ledger.Ledger
	// Own are the addresses of this machine; nil: none are known.
	Own func() []netip.Addr
	Log zerolog.Logger
	// Notifier and Exec may be nil: no messages are sent, no command is run.
	Notifier, Exec journal.Receiver
	// Watch drops flows and throttles suspects; what it shows of the wire comes in by
	// Received, Sent and Missed. It may be nil: then nothing over UDP is ever proven
	// but a success.
	Watch Watch
	// LocalPort, when set, gets the local port that a security event over UDP, TCP or
	// TLS names. It is called with the engine's lock held and must not block.
	LocalPort func(over event.Transport, port uint16)
	// OnIncident, when set, gets each incident as it opens and after every change
	// of a step. It is called with the engine's lock held and must not block.
	OnIncident func(i incident.Incident)
	// OnBan, when set, gets each ban as it comes into force and as it ends. It
	// must not block.
	OnBan func(b incident.Ban, change incident.BanChange)
	// OnOrder, when set, gets what became of an order that was not in force. It may be
	// called with the engine's lock held and must not block.
	OnOrder func(n contain.News)
	// AtOnce, when set, returns a context with which what is asked of Asterisk fails at once
	// if there is no session to it, or an error if there is none now. What a person asks for
	// must not wait, and be done when nobody expects it any more.
	AtOnce func(context.Context) (context.Context, error)
	// OnReload, when set, is called after Asterisk has read its files. It must not block.
	OnReload func()
	// OnPartial, when set, gets each change of a partial block. It is called with the
	// engine's lock held and must not block.
	OnPartial func(b incident.PartialBlock, change incident.BanChange)
}

// Engine holds the one lock. Handle and Report run on the readers' goroutines and
// never wait; what the judge decides is carried out by Run's goroutines.
type Engine struct {
	// Bans and Accounts carry out what a person asks.
	Bans     *bans.Operator
	Accounts *contain.Operator

	parts     Parts
	queue     *bans.KernelQueue
	runner    *contain.Runner
	keeper    *contain.Keeper // nil: nothing is kept in force
	flowsC    chan flowDrop
	suspectsC chan throttling
	sourcesC  chan sourceQuestion    // where calls come from
	agentsC   chan userAgentQuestion // with which User-Agent calls are set up

	mu          sync.Mutex // guards what follows; never held over I/O other than a log line
	judge       *judge.Judge
	journal     *journal.Journal
	parser      event.Parser
	event       event.Event // the one being handled
	first       bool        // nothing is known of any phone, as at the first start
	running     bool        // its goroutines answer questions
	unannounced bool        // some accounts log in without an event
	urgent      uint64      // bans and hang-ups queued so far, which cannot wait
	// unrecorded are the records of incidents whose urgent steps are queued.
	unrecorded []func()
	refused    Refused
}

// Refused counts what did not fit in a queue.
type Refused struct {
	Bans  uint64 // came with a reconcile instead
	Steps uint64 // no worker and no receiver had room for them
}

// New makes an engine that knows what the ledger and the kernel remember.
// Nothing happens before Run. What the policy says about the edges (NoReceiver,
// Command, DropsFlows, Throttles) is corrected by which parts there are.
func New(ctx context.Context, now time.Time, policy judge.Policy, parts Parts) (*Engine, error) {
	e := &Engine{
		parts:  parts,
		flowsC: make(chan flowDrop, maxFlowDrops), suspectsC: make(chan throttling, maxThrottlings), sourcesC: make(chan sourceQuestion, maxQuestions), agentsC: make(chan userAgentQuestion, maxQuestions),
	}
	var err error
	if e.judge, err = judge.New(now, e.edges(policy), effects{e}); err != nil {
		return nil, err
	}
	e.journal = journal.New(journal.Options{
		Ledger: parts.Ledger, Log: parts.Log, Since: now, Notifier: parts.Notifier, Exec: parts.Exec, Report: e.settle, OnIncident: parts.OnIncident,
	})
	e.queue = bans.NewKernelQueue(parts.Firewall, e.inForce, parts.Log)
	e.queue.Reconciled = func(now time.Time) { e.with(func() { e.judge.Bans.AcknowledgedAll(now) }) }
	e.runner = contain.NewRunner(parts.Calls, parts.Accounts, e.judge.Contain, e.judge.Calls, parts.Ledger, owner{e}, parts.Log)
	e.keepOrders()
	e.Bans = &bans.Operator{
		Registry: e.judge.Bans, Offences: e.judge.Offences, Repeats: e.judge.Repeats, Queue: e.queue, Ledger: parts.Ledger,
		With: e.with, Objection: e.judge.Places.Objection, Allowed: e.judge.Places.Allowed, ClearScore: e.judge.ClearScore,
		Partial: partialBlocks{e},
		Acted:   e.Acted, Changed: e.banChanged,
	}
	e.Accounts = &contain.Operator{Runner: e.runner, AtOnce: parts.AtOnce, Acted: e.Acted, Stolen: e.judge.Stolen, ForgetAttack: e.forgetAttack, EndWaits: e.judge.EndWaits, Unregistered: e.judge.Places.Betrayed}
	if err := e.start(ctx, now, policy); err != nil {
		return nil, err
	}
	return e, nil
}

// edges corrects what a policy says about the edges.
func (e *Engine) edges(p judge.Policy) judge.Policy {
	p.NoReceiver = p.NoReceiver || e.parts.Notifier == nil
	if e.parts.Exec == nil && !p.Observe { // replay says what would be run
		p.Command = ""
	}
	p.DropsFlows, p.Wire = e.parts.Watch != nil, e.parts.Watch != nil
	p.Throttles = e.parts.Watch != nil && e.parts.Watch.Throttles() == nil
	return p
}

// lock takes the lock. What the last event left to be recorded is recorded before
// anything else happens under it.
func (e *Engine) lock() {
	e.mu.Lock()
	e.record()
}

func (e *Engine) record() {
	for n, record := range e.unrecorded {
		e.unrecorded[n] = nil
		record()
	}
	e.unrecorded = e.unrecorded[:0]
}

// with runs a function under the lock, and records what it decided.
func (e *Engine) with(f func()) {
	e.lock()
	defer e.mu.Unlock()
	f()
	e.record()
}

// Run carries out what is decided until ctx ends. Bans already decided reach the
// kernel before it returns; bans in force stay there.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	e.with(func() { e.running = true })
	g.Go(func() error { e.queue.Run(ctx); return nil })
	g.Go(func() error { return e.runner.Run(ctx) })
	if e.keeper != nil {
		g.Go(func() error { return e.keeper.Run(ctx) })
	}
	g.Go(func() error { e.journal.Run(ctx); return nil })
	g.Go(func() error { return consume(ctx, e.sourcesC, e.askSource) })
	g.Go(func() error { return consume(ctx, e.agentsC, e.askUserAgent) })
	g.Go(func() error { return every(ctx, watchEvery, e.watch) })
	g.Go(func() error { return every(ctx, pruneEvery, e.Prune) })
	if e.parts.Watch != nil {
		g.Go(func() error { return consume(ctx, e.flowsC, e.dropFlow) })
		g.Go(func() error { return consume(ctx, e.suspectsC, e.throttle) })
	}
	return g.Wait()
}

const (
	// watchEvery is how often the judge looks at what should have happened by now.
	watchEvery = time.Second
	// pruneEvery is how often what ran out is forgotten.
	pruneEvery = time.Minute
)

// every calls f at every tick until ctx ends.
func every(ctx context.Context, pause time.Duration, f func(now time.Time)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			f(now)
		case <-ctx.Done():
			return nil
		}
	}
}

// consume carries out what comes through a queue until ctx ends.
func consume[T any](ctx context.Context, queue <-chan T, do func(context.Context, T)) error {
	for {
		select {
		case x := <-queue:
			do(ctx, x)
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) watch(now time.Time) {
	e.with(func() { e.judge.Watch(now) })
	e.endPause(now)
}

// Prune forgets what ran out. Run does it every minute.
func (e *Engine) Prune(now time.Time) {
	e.with(func() {
		e.judge.Prune(now)
		e.journal.DeliverOverdue(now)
	})
}

// forgetAttack forgets what others did to an account, and what it has spent.
func (e *Engine) forgetAttack(account string) {
	e.judge.ForgetAttack(account)
	e.judge.Forgive(time.Now(), account)
}

// Configure puts another policy in force without a pause; see judge.Configure.
func (e *Engine) Configure(p judge.Policy) (err error) {
	now := time.Now()
	e.with(func() {
		observed := e.judge.Observes()
		if err = e.judge.Configure(e.edges(p)); err == nil && observed && !p.Observe {
			e.judge.BeginEnforcing(now)
		}
	})
	return err
}

// observes says whether mode observe is on.
func (e *Engine) observes() (is bool) {
	e.with(func() { is = e.judge.Observes() })
	return is
}

// reconcileWithin bounds one reconcile: very many bans take seconds.
const reconcileWithin = time.Minute

// Reconcile makes the kernel drop exactly the bans in force, after another program
// damaged the table. Run must be running.
func (e *Engine) Reconcile() error {
	ctx, cancel := context.WithTimeout(context.Background(), reconcileWithin)
	defer cancel()
	err := e.queue.Reconcile(ctx)
	if err == nil {
		e.with(func() { e.judge.Effect.Repaired(time.Now()) })
	}
	if errors.Is(err, bans.ErrFull) {
		return nil // the table is restored, with what fits; Senses says so
	}
	return err
}
