package responder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Policy is what the operator decided.
type Policy struct {
	Observe    bool // decide and record everything, change nothing
	Thresholds []score.Threshold
	Playbooks  map[string][]StepKind
	Ladder     Ladder
	BreakIn    score.BreakInConfig
	Restrict   Restrict
	Calls      calls.Rules
	Allow      []netip.Prefix // never banned
	Username   string         // our own name on the manager interface
	Log        bool           // a second sensor reads Asterisk's log
	Deaf       bool           // the Notifier has nobody to tell
	Command    string         // the program that the step exec runs; "" is none
}

// Parts are the responder's edges. Notifier and Exec may be nil: nobody is told,
// nothing is run.
type Parts struct {
	Firewall Firewall
	PBX      PBX
	Notifier Teller
	Exec     Teller
	// Watch tells of challenges, which come in by Challenged. It may be nil:
	// then nothing over UDP is ever proven but a success.
	Watch  Watch
	Ledger *ledger.Ledger
	Log    zerolog.Logger
	// Witness, when set, sees each incident as it opens and after every change
	// of a step. It is called with the responder's lock held and must not
	// block.
	Witness func(i Incident)
	// BanWitness, when set, sees each ban as it comes into force and as it
	// ends. It must not block.
	BanWitness func(b Ban, change BanChange)
}

// Limits of what waits for Asterisk.
const (
	crewSize  = 8
	maxJobs   = 4096
	maxSweeps = 1024
)

// Responder turns what Asterisk says into what is done about it.
//
// Handle runs on the reader's goroutine and never waits; everything it decides
// is carried out by Run's goroutines: the lane for the kernel, the crew for
// Asterisk, and others for single calls and flows and for those who are told.
type Responder struct {
	policy Policy
	parts  Parts
	log    zerolog.Logger
	lane   *lane
	crew   *crew
	jobs   chan job
	wordsC chan word   // for those outside
	sweeps chan string // accounts whose new calls are to be ended now

	endings   chan ending // single calls to be ended now
	flowsC    chan flowOrder
	strangers chan question // where calls come from
	handsets  chan handset  // with which User-Agent calls are set up

	born time.Time // what happened before was learnt from the log

	// hand is held over what changes the book and the kernel together, or the
	// kernel by the book. It is taken before mu, and never by Handle.
	hand sync.Mutex
	// overruled are prefixes that a person decided about, with the number of the
	// last order of before; carried is the last order of which the kernel was
	// told. hand guards both.
	overruled map[netip.Prefix]uint64
	carried   uint64

	loading *loading      // the loader's own, but for its numbers
	loadedC chan struct{} // closed when every ban of the ledger is in force

	mu         sync.Mutex // guards what follows; never held over I/O
	parser     event.Parser
	event      event.Event
	sightings  *sightings // nil when there is only the event session
	blindedAt  time.Time
	failures   [sensors]time.Time // when each sensor last told of one
	attempts   *score.Attempts
	challenges *score.Challenges
	breakIn    *score.BreakIn
	table      *score.Table
	calls      *calls.Detector
	sign       *calls.Sign // what is being scored, when it is about calls
	text       []byte      // of the event being heard
	recent     calls.Recent
	locked     map[string]string // accounts locked, and what unlocks them
	restricted map[string]*restriction
	spared     map[string]spared // accounts that are not restricted now
	refusals   map[refusal]struct{}
	asking     bool          // somebody finds out where strangers' calls come from
	callsC     chan struct{} // closed when a channel goes down
	book       *book
	offences   *offences
	trust      *trust
	registered []string             // accounts that Asterisk named at the last resync
	own        netip.Addr           // where our own manager sessions come from
	noted      map[string][]int64   // incidents by the channel whose end they wait for
	closing    map[string]*closure  // accounts with an incident under way
	rotatedAt  map[string]time.Time // when an account got its last secret from us
	told       told
	untold     untold
	nonces     *nonces
	offices    offices
	agents     agents
	canaries   canaries
	counters   Counters
	meters     meters
}

// Counters are what the responder has seen since it started.
type Counters struct {
	Events, Observations, Tampered, Verdicts, Incidents uint64
	// Muted are verdicts on sources already banned, and signs about the calls of
	// an account that is being contained: what was still in Asterisk's queues
	// when the drop and the hang-up took effect.
	Muted uint64
	// Signs are what was unusual about calls.
	Signs uint64
	// LaneFull are bans that did not fit in the lane and came with a repair.
	LaneFull uint64
	// JobsRefused are incidents whose steps no worker had room for.
	JobsRefused uint64
	// Challenges are the nonces seen on their way; Astray those that went
	// elsewhere than to whom they were for.
	Challenges, Astray uint64
	// Flows are single phones' flows dropped, renewals included.
	Flows uint64
	// Proved are claimed bans that became proven ones.
	Proved uint64
	// Graced are failures of an account's own places after its secret was changed.
	Graced uint64
	// Logged are the events that Asterisk's log told, seen by other sensors or not.
	Logged uint64
	// Blinded are the security events that Asterisk says it could not issue.
	Blinded uint64
}

// New makes a responder that knows what the ledger and the kernel remember.
// Nothing happens before Run.
func New(now time.Time, policy Policy, parts Parts) (*Responder, error) {
	table, err := score.New(policy.Thresholds, score.Limits{})
	if err != nil {
		return nil, fmt.Errorf("thresholds: %w", err)
	}
	r := &Responder{
		policy: policy, parts: parts, log: parts.Log, born: now,
		jobs: make(chan job, maxJobs), wordsC: make(chan word, maxJobs), sweeps: make(chan string, maxSweeps),
		endings: make(chan ending, maxEndings), flowsC: make(chan flowOrder, maxFlowOrders), strangers: make(chan question, maxStrangers), handsets: make(chan handset, maxStrangers),
		attempts: score.NewAttempts(0), challenges: score.NewChallenges(), table: table,
		calls: calls.NewDetector(now, policy.Calls), callsC: make(chan struct{}),
		book: &book{decided: map[netip.Prefix]*Ban{}}, loadedC: make(chan struct{}), offences: newOffences(policy.Ladder.Forget), trust: newTrust(policy.Allow),
		locked: map[string]string{}, restricted: map[string]*restriction{}, spared: map[string]spared{}, refusals: map[refusal]struct{}{},
		noted: map[string][]int64{}, closing: map[string]*closure{}, rotatedAt: map[string]time.Time{}, told: told{}, untold: untold{}, overruled: map[netip.Prefix]uint64{}, nonces: newNonces(), offices: offices{}, agents: agents{},
		canaries: canaries{username: policy.Username}, meters: newMeters(),
	}
	r.lane = &lane{
		orders: make(chan order, maxDrops), drop: r.dropAll, restore: r.Restore,
		trouble: func(err error) { r.log.Error().Err(err).Msg("the kernel refused bans: restoring the whole table") },
		mended:  func() { r.log.Warn().Msg("the kernel's table is restored with every ban in force") },
	}
	r.crew = &crew{
		lockUp: r.lockUp, fence: r.restrict, hangUp: r.hangUp, finished: r.finished,
		pbx: parts.PBX, report: r.report,
		channels: r.channels, rotatedSince: r.rotatedSince, rotated: r.setRotated, ended: r.ended, contained: r.contained,
	}
	if policy.Log {
		r.sightings = newSightings()
	}
	policy.BreakIn.Learned = r.learned
	r.breakIn = score.NewBreakIn(policy.BreakIn)
	r.calls.Learned = r.learnedHabit
	if err := r.recall(now); err != nil {
		return nil, err
	}
	return r, nil
}

// Run carries out what Handle decides until ctx ends. Bans already decided
// reach the kernel before it returns; bans in force stay there.
func (r *Responder) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { r.lane.run(ctx); return nil })
	if !r.isLoaded() {
		g.Go(func() error { r.load(ctx); return nil })
	}
	for range crewSize {
		g.Go(func() error { r.work(ctx); return nil })
	}
	g.Go(func() error { r.speak(ctx); return nil })
	for range enders {
		g.Go(func() error { r.end(ctx); return nil })
	}
	r.mu.Lock()
	r.asking = true
	r.mu.Unlock()
	g.Go(func() error { return askEach(ctx, r.strangers, r.askSource) })
	g.Go(func() error { return askEach(ctx, r.handsets, r.askAgent) })
	g.Go(func() error { r.await(ctx); return nil })
	g.Go(func() error { r.sweep(ctx); return nil })
	g.Go(func() error { r.ease(ctx); return nil })
	if r.parts.Watch != nil {
		g.Go(func() error { r.cutFlows(ctx); return nil })
	}
	g.Go(func() error { r.tidy(ctx); return nil })
	return g.Wait()
}

func (r *Responder) work(ctx context.Context) {
	for {
		select {
		case j := <-r.jobs:
			r.crew.contain(ctx, j)
		case <-ctx.Done():
			return
		}
	}
}

// sweep ends the calls that an account sets up while it is being contained.
func (r *Responder) sweep(ctx context.Context) {
	for {
		select {
		case account := <-r.sweeps:
			within, cancel := context.WithTimeout(ctx, hangupWithin)
			ended, err := r.hangUp(within, account)
			cancel()
			r.ended(account, ended)
			if err != nil {
				r.log.Error().Err(err).Str("account", account).Msg("a call that slipped in could not be ended")
			}
		case <-ctx.Done():
			return
		}
	}
}

// tidyEvery is how often what ran out is forgotten.
const tidyEvery = time.Minute

func (r *Responder) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.Tidy(now)
		case <-ctx.Done():
			return
		}
	}
}

// Tidy forgets what ran out. Run does it every minute; where time is not that
// of a clock its master does.
func (r *Responder) Tidy(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ended := range r.book.prune(now) {
		r.herald(ended, Ended)
	}
	r.told.prune(now)
	r.tellAnyway(now)
	r.offices.prune(now)
	for account, c := range r.closing {
		if c.over(now) {
			delete(r.closing, account)
		}
	}
	maps.DeleteFunc(r.spared, func(_ string, s spared) bool { return !now.Before(s.until) })
	for account, at := range r.rotatedAt {
		if now.Sub(at) > grace {
			delete(r.rotatedAt, account)
		}
	}
}

// Handle takes one block of the event session. It runs on the reader's
// goroutine: it computes, queues and returns.
func (r *Responder) Handle(now time.Time, b *event.Block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters.Events++
	err := r.parser.Parse(b, &r.event)
	switch {
	case err == nil:
		r.hear(now, SensorAMI, &r.event)
	case errors.Is(err, event.ErrTampered):
		e := event.Event{Raw: b.Raw}
		e.Remote, e.Transport, _ = r.parser.TrueSource()
		r.tampered(now, SensorAMI, &e)
	}
}

// hear takes one event that is what it says. news is false when another sensor
// has told it.
func (r *Responder) hear(now time.Time, s Sensor, e *event.Event) (news bool) {
	r.meters.event(e.Kind)
	r.raise(now, r.calls.Due(now))
	r.text = e.Raw
	news = r.take(now, s, e)
	r.text = nil
	return news
}

func (r *Responder) take(now time.Time, s Sensor, e *event.Event) (news bool) {
	switch e.Kind {
	case event.Newchannel:
		r.channelUp(now, e)
	case event.Newstate:
		r.channelState(now, e)
	case event.Hangup:
		r.channelDown(now, e)
	case event.DialBegin:
		r.dialled(now, e)
	case event.DialEnd:
		r.forwarded(e)
	case event.BlindTransfer:
		r.transferred(now, e)
	default:
		if e.Kind == event.ChallengeResponseFailed || e.Kind == event.InvalidPassword || e.Kind == event.InvalidAccountID {
			r.failures[s] = now
		}
		if !e.Kind.Security() || r.canaries.heard(now, s, e) {
			return true
		}
		if !r.sightings.first(now, s, e) {
			return false
		}
		r.complete(now, s, e)
		r.judge(now, e)
	}
	return true
}
