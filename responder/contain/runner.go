package contain

import (
	"context"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/orders"
)

// State is what has to be known to contain accounts.
type State struct {
	Sessions     Sessions
	Rotations    Rotations
	Locks        Locks
	Restrictions *Restrictions
	Breaker      Breaker
	Costs        CostLimits
	Numbers      CostlyNumbers
	Log          CallLog
	Orders       orders.Book
}

// Held says in words what is taken from an account for now; "" when nothing is.
func (s *State) Held(account string) string {
	var words []string
	if _, locked := s.Locks.Get(account); locked {
		words = append(words, "locked")
	}
	if to, restricted := s.Restrictions.Networks(account); restricted {
		words = append(words, "limited to its known networks "+incident.PrefixesText(to))
	}
	if x, limited := s.Costs.Of(account); limited {
		words = append(words, x.String())
	}
	if s.Breaker.Waits(account) {
		words = append(words, "waits for a person")
	}
	return strings.Join(words, ", ")
}

// Prune forgets what no longer matters.
func (s *State) Prune(now time.Time) {
	s.Sessions.Prune(now)
	s.Rotations.Prune(now)
	s.Restrictions.Prune(now)
	s.Breaker.Prune(now)
	s.Costs.Prune(now)
	s.Numbers.Prune(now)
	s.Log.Prune(now)
	s.Orders.Prune(now) // the ledger forgets them at the next start
}

// Channels is what a Runner asks about the channels that the events say are up.
type Channels interface {
	// Account is how many an account has.
	Account(account string) int
	// Strays are those of calls that the account set up and has left.
	Strays(account string) []string
	// Emergencies are those of the account's emergency calls, which nothing ends.
	Emergencies(account string) []string
	// EmergencyNumbers returns what lists the emergency numbers as phones dial them. That
	// may take a moment, and needs no lock.
	EmergencyNumbers() (list func() []string)
}

// Ledger keeps what is taken from accounts. Neither call waits.
type Ledger interface {
	PutHold(h incident.Hold)
	DropHold(account string, kind incident.HoldKind)
	PutOrder(o orders.Order)
	DropOrder(account string, kind orders.Kind)
}

// Owner is who owns the State, its lock included.
type Owner interface {
	// With runs f under the lock that guards the State and the Channels.
	With(f func())
	// Report records the outcome of step n of an incident.
	Report(i *incident.Incident, n int, state incident.State, detail string)
	// Finished is called when nothing more is done about an incident.
	Finished(i *incident.Incident)
	// PasswordChanged is called when an account has another password, and says
	// whose phones need it.
	PasswordChanged(account string) (phones string)
}

// Limits of what waits for Asterisk.
const (
	workers   = 8 // several, so that one slow rotation does not delay another account's
	maxJobs   = 4096
	maxSweeps = 1024
	enders    = 4     // goroutines that hang up single calls
	maxEnds   = 16384 // a program that makes the PBX dial sets up as many calls at once as Asterisk can
	// unrestrictEvery is how often restrictions are looked at whose attack may be
	// over.
	unrestrictEvery = 5 * time.Second
)

// Runner has the goroutines that wait for Asterisk: workers, each of which
// contains one account after a verdict; those that end single calls, and one each
// that ends calls of accounts being contained, that ends restrictions, and that lets locked
// accounts call for help.
type Runner struct {
	calls    Calls
	accounts Accounts
	state    *State
	channels Channels
	ledger   Ledger
	owner    Owner
	log      zerolog.Logger

	jobsC     chan job
	sweepsC   chan string // accounts whose new calls are to be ended now
	endsC     chan end    // single calls to be ended now
	downC     chan struct{}
	sweeping  map[string]bool // accounts in sweepsC; the owner's lock guards it
	rotations singleflight.Group
	standing  Standing       // nil: nothing is kept in force
	busy      map[string]int // accounts being changed; the owner's lock guards it
}

// end is one call to be hung up. incident is nil when the account is locked, waits for a
// person, or may not make such a call now.
type end struct {
	incident *incident.Incident
	step     int
	channel  string
}

// NewRunner makes a Runner. Nothing happens before Run.
func NewRunner(calls Calls, accounts Accounts, state *State, channels Channels, ledger Ledger, owner Owner, log zerolog.Logger) *Runner {
	return &Runner{
		calls: calls, accounts: accounts, state: state, channels: channels, ledger: ledger, owner: owner, log: log,
		jobsC: make(chan job, maxJobs), sweepsC: make(chan string, maxSweeps), endsC: make(chan end, maxEnds), downC: make(chan struct{}),
		sweeping: map[string]bool{}, busy: map[string]int{},
	}
}

// Run carries out what is queued until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { return consume(ctx, r.jobsC, r.contain) })
	}
	for range enders {
		g.Go(func() error { return consume(ctx, r.endsC, r.endOne) })
	}
	g.Go(func() error { return consume(ctx, r.sweepsC, r.sweep) })
	g.Go(func() error { r.expireRestrictions(ctx); return nil })
	g.Go(func() error { r.keepHelp(ctx); return nil })
	return g.Wait()
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

// QueueEnd queues the end of one call, for a step of an incident or, with a nil incident,
// because its account is locked, waits for a person or may not make such a call now. False
// means that there is no room. It does not wait.
func (r *Runner) QueueEnd(i *incident.Incident, step int, channel string) bool {
	select {
	case r.endsC <- end{i, step, channel}:
		return true
	default:
		return false
	}
}

// QueueSweep queues the end of the calls that an account sets up while it is being
// contained. A sweep of the account that is queued already ends them, too. False
// means that there is no room. The caller holds the lock; it does not wait.
func (r *Runner) QueueSweep(account string) bool {
	if r.sweeping[account] {
		return true
	}
	select {
	case r.sweepsC <- account:
		r.sweeping[account] = true
		return true
	default:
		return false
	}
}

// ChannelDown says that a channel went down, for those who wait for it. The
// caller holds the lock.
func (r *Runner) ChannelDown() {
	close(r.downC)
	r.downC = make(chan struct{})
}

func (r *Runner) sweep(ctx context.Context, account string) {
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	r.owner.With(func() { delete(r.sweeping, account) }) // what is set up from now on needs another
	ended, err := r.endCalls(ctx, account)
	r.ended(account, ended)
	if err != nil {
		r.log.Error().Err(err).Str("account", account).Msg("could not end a call that the extension set up while it was being contained")
	}
}

func (r *Runner) endOne(ctx context.Context, e end) {
	ctx, cancel := context.WithTimeout(ctx, hangupWithin)
	defer cancel()
	ended, err := r.calls.HangupChannel(ctx, e.channel)
	switch {
	case e.incident == nil:
		if ended || err != nil {
			r.log.Warn().AnErr("error", err).Str("channel", e.channel).Msg("ended a call: its extension is locked or waits for a person, its costs are limited, or the same call has just been ended on another trunk")
		}
	case err != nil:
		r.owner.Report(e.incident, e.step, incident.Failed, err.Error())
	case ended:
		r.owner.Report(e.incident, e.step, incident.Done, "ended")
	default:
		r.owner.Report(e.incident, e.step, incident.Done, "it had ended by itself")
	}
}

// expireRestrictions ends restrictions whose attack is over until ctx ends.
func (r *Runner) expireRestrictions(ctx context.Context) {
	tick := time.NewTicker(unrestrictEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			var due []string
			r.owner.With(func() { due = r.state.Restrictions.Due(now) })
			for _, account := range due {
				detail, err := r.unrestrict(ctx, account)
				if err != nil {
					r.log.Error().Err(err).Str("account", account).Msg("could not end a restriction")
					continue
				}
				r.log.Info().Str("account", account).Str("detail", detail).Msg("the attack is over: the restriction has ended")
			}
		case <-ctx.Done():
			return
		}
	}
}
