package firewall

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Guard keeps the tables in the kernel as they should be. As soon as another
// program has changed the ruleset, and from time to time, it compares them with
// what they should be, restores them if they differ, and proves with a Probe that
// a ban drops packets. It must run in the tables' network namespace.
type Guard struct {
	cfg GuardConfig
	// Replaced in tests.
	monitor func(context.Context, func(Author)) error
	probe   func(Table) error

	wakeC chan struct{} // check now

	mu       sync.Mutex
	interval time.Duration
	author   Author // of the last change by another program
	state    GuardState
}

// GuardConfig is what a Guard works with.
type GuardConfig struct {
	Table Table
	// Watch is the second table; nil if there is none.
	Watch *Watch
	// Interval is the time between two checks if nothing happens.
	Interval time.Duration
	// Reconcile brings every ban into the Table. The Guard calls it after the
	// Table was found damaged and has been invalidated.
	Reconcile func(now time.Time) error
	// OnRepair is called after each repair. It must not block.
	OnRepair func(GuardEvent)
	Log      zerolog.Logger
}

// GuardEvent is one repair of the tables.
type GuardEvent struct {
	At time.Time
	// Found is what was wrong.
	Found []string
	// By is the program that last changed the ruleset before.
	By Author
}

func (e GuardEvent) String() string { return strings.Join(e.Found, "; ") + ", by " + e.By.String() }

// GuardState is what a Guard knows.
type GuardState struct {
	// Checked is when the tables were last found intact and a ban was seen to
	// drop; zero before the first time.
	Checked time.Time
	// Trouble is why the last check failed; nil if it did not.
	Trouble error
	// Repairs counts the repairs, of which Last is the latest.
	Repairs uint64
	Last    GuardEvent
	// Probes counts the checks in which a ban was seen to drop.
	Probes uint64
	// EarlierChains are other programs' chains that packets pass before ours.
	EarlierChains []string
	// Interval is the time between two checks.
	Interval time.Duration
}

// NewGuard returns a Guard that does nothing until Run.
func NewGuard(cfg GuardConfig) *Guard {
	return &Guard{
		cfg: cfg, interval: cfg.Interval, wakeC: make(chan struct{}, 1), probe: Probe,
		monitor: func(ctx context.Context, changed func(Author)) error { return Monitor(ctx, Config{}, changed) },
	}
}

// Run guards the tables until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	listening.Go(func() { g.listen(ctx) })
	defer listening.Wait()
	for {
		g.check(time.Now())
		timer := time.NewTimer(g.State().Interval)
		select {
		case <-g.wakeC:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// State returns what the Guard knows now.
func (g *Guard) State() GuardState {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.state
	s.EarlierChains, s.Interval = slices.Clone(s.EarlierChains), g.interval
	return s
}

// SetInterval changes the time between two checks, and checks at once.
func (g *Guard) SetInterval(d time.Duration) {
	g.mu.Lock()
	g.interval = d
	g.mu.Unlock()
	g.wake()
}

// wake makes Run check at once. If a check is due already it sees this, too.
func (g *Guard) wake() {
	select {
	case g.wakeC <- struct{}{}:
	default:
	}
}

// listen waits for other programs' changes. When that fails the timer remains,
// and listen tries again.
func (g *Guard) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := g.monitor(ctx, g.changed)
		if err == nil {
			return
		}
		g.cfg.Log.Error().Err(err).Msg("changes to the ruleset are noticed only at intervals, not at once")
		select {
		case <-time.After(g.State().Interval):
		case <-ctx.Done():
		}
	}
}

func (g *Guard) changed(by Author) {
	g.mu.Lock()
	g.author = by
	g.mu.Unlock()
	g.wake()
}

// check compares, repairs and probes once.
func (g *Guard) check(now time.Time) {
	found, err := g.verify(now)
	if err == nil && len(found) > 0 {
		err = g.repair(now, found)
	}
	if err == nil {
		err = g.prove(now)
	}
	earlier := g.earlierChains()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && (g.state.Trouble == nil || g.state.Trouble.Error() != err.Error()) {
		g.cfg.Log.Error().Err(err).Msg("the kernel's table is not intact")
	}
	if err == nil {
		g.state.Checked = now
		g.state.Probes++
	}
	for _, chain := range earlier {
		if !slices.Contains(g.state.EarlierChains, chain) {
			g.cfg.Log.Warn().Str("chain", chain).Msg("another program's chain sees packets before ours")
		}
	}
	g.state.Trouble, g.state.EarlierChains = err, earlier
}

// verify returns what is wrong with the tables.
func (g *Guard) verify(now time.Time) ([]string, error) {
	found, err := g.cfg.Table.Verify(now)
	if g.cfg.Watch == nil || err != nil {
		return found, err
	}
	more, err := g.cfg.Watch.Verify()
	return append(found, more...), err
}

// repair rebuilds both tables, since a program that damages one seldom spares
// the other, and reports that it did.
func (g *Guard) repair(now time.Time, found []string) error {
	g.mu.Lock()
	e := GuardEvent{At: now, Found: found, By: g.author}
	g.author = Author{}
	g.mu.Unlock()
	g.cfg.Table.Invalidate()
	err := g.cfg.Reconcile(now)
	if g.cfg.Watch != nil {
		err = errors.Join(err, g.cfg.Watch.Restore())
	}
	if err != nil {
		g.cfg.Log.Error().Err(err).Strs("found", found).Stringer("by", e.By).Msg("the kernel's table is damaged and could not be restored")
		return err
	}
	bans := len(g.cfg.Table.Bans(now))
	g.cfg.Log.Warn().Strs("found", found).Stringer("by", e.By).Int("bans", bans).Dur("took_ms", time.Since(now)).
		Msg("the kernel's table was damaged: restored with every ban")
	g.mu.Lock()
	g.state.Repairs++
	g.state.Last = e
	g.mu.Unlock()
	if g.cfg.OnRepair != nil {
		g.cfg.OnRepair(e)
	}
	return nil
}

// prove proves that a ban drops. If the probe's packet passes it tries again,
// since somebody else's Reconcile may have released the probe's ban.
func (g *Guard) prove(now time.Time) error {
	err := g.probe(g.cfg.Table)
	if errors.Is(err, ErrPassed) {
		err = g.probe(g.cfg.Table)
	}
	if errors.Is(err, ErrPassed) {
		// The table looks intact and does not drop: rebuild it and look again.
		if err = g.repair(now, []string{"a packet from a banned address was let through"}); err == nil {
			err = g.probe(g.cfg.Table)
		}
	}
	return err
}

// earlierChains lists other programs' chains before ours.
func (g *Guard) earlierChains() []string {
	k, ok := g.cfg.Table.(interface{ EarlierChains() ([]string, error) })
	if !ok {
		return nil
	}
	chains, err := k.EarlierChains()
	if err != nil {
		g.cfg.Log.Error().Err(err).Msg("other programs' chains cannot be listed")
	}
	return chains
}
