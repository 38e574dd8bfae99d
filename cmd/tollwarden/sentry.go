package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
)

// sentry sees to it that the kernel's table is what it should be: at once when
// another program has changed the ruleset, and from time to time. It compares,
// restores with every ban in one batch, and proves by a probe that a ban drops.
type sentry struct {
	table   firewall.Table
	watch   *firewall.Watch           // the second table; nil: there is none
	restore func(now time.Time) error // makes both anew, with every ban in force
	tell    func(alarm)
	log     zerolog.Logger
	wakeC   chan struct{} // somebody has changed the ruleset

	mu      sync.Mutex
	every   time.Duration
	author  firewall.Change // of the last change by another
	changes uint64          // by others, of anything in the ruleset
	state   watchState
}

// watchState is what the sentry knows.
type watchState struct {
	checked time.Time // when the table was last as it should be, and a drop was proven
	trouble error     // why it is not now
	repairs uint64    // times it had to be restored
	found   string    // what was found the last time
	at      time.Time // when
	ahead   []string  // other programs' chains before ours
	probes  uint64    // drops proven
}

func newSentry(every time.Duration, table firewall.Table, log zerolog.Logger) *sentry {
	return &sentry{every: every, table: table, log: log, wakeC: make(chan struct{}, 1)}
}

// run watches until ctx ends.
func (s *sentry) run(ctx context.Context) error {
	var listening sync.WaitGroup
	listening.Go(func() { s.listen(ctx) })
	defer listening.Wait()
	for {
		s.check(time.Now())
		timer := time.NewTimer(s.interval())
		select {
		case <-s.wakeC:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// listen hears of other programs' changes. When that fails the timer remains,
// and it is tried again.
func (s *sentry) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := firewall.Monitor(ctx, firewall.Config{}, s.changed)
		if err == nil {
			return
		}
		s.log.Error().Err(err).Msg("changes of the ruleset are not heard of at once, only from time to time")
		select {
		case <-time.After(s.interval()):
		case <-ctx.Done():
		}
	}
}

func (s *sentry) changed(c firewall.Change) {
	s.mu.Lock()
	s.author = c
	s.changes++
	s.mu.Unlock()
	select {
	case s.wakeC <- struct{}{}:
	default: // a check is due already, and sees this too
	}
}

// check compares, restores and probes once.
func (s *sentry) check(now time.Time) {
	found, err := s.verify(now)
	if err == nil && len(found) > 0 {
		err = s.repair(now, found)
	}
	if err == nil {
		err = s.probe(now)
	}
	ahead := s.lookAhead()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && (s.state.trouble == nil || s.state.trouble.Error() != err.Error()) {
		s.log.Error().Err(err).Msg("the kernel's table is not as it should be")
	}
	if err == nil {
		s.state.checked = now
		s.state.probes++
	}
	for _, chain := range ahead {
		if !slices.Contains(s.state.ahead, chain) {
			s.log.Warn().Str("chain", chain).Msg("another program's chain sees packets before ours")
		}
	}
	s.state.trouble, s.state.ahead = err, ahead
}

// verify says what is wrong with the tables.
func (s *sentry) verify(now time.Time) ([]string, error) {
	found, err := s.table.Verify(now)
	if s.watch == nil || err != nil {
		return found, err
	}
	more, err := s.watch.Verify()
	return append(found, more...), err
}

// repair restores the table and reports what was found, and whether that helped.
func (s *sentry) repair(now time.Time, found []string) error {
	s.mu.Lock()
	author := s.author
	s.author = firewall.Change{}
	s.mu.Unlock()
	err := s.restore(now)
	what := strings.Join(found, "; ")
	if err != nil {
		s.log.Error().Err(err).Strs("found", found).Stringer("by", author).Msg("the kernel's table is damaged and could not be restored")
		return err
	}
	bans := len(s.table.Bans(now))
	s.log.Warn().Strs("found", found).Stringer("by", author).Int("bans", bans).Dur("took_ms", time.Since(now)).
		Msg("the kernel's table was damaged: restored with every ban")
	s.mu.Lock()
	s.state.repairs++
	s.state.found, s.state.at = what+", by "+author.String(), now
	s.mu.Unlock()
	s.tell(alarm{Event: alarmRepaired, At: now, Text: "the kernel's table was damaged by " + author.String() + " and is restored with every ban: " + what})
	return nil
}

// probe proves that a ban drops. Once more when it fails: a repair of the
// responder's at the same moment may have taken the probe's ban away.
func (s *sentry) probe(now time.Time) error {
	err := firewall.Probe(s.table)
	if errors.Is(err, firewall.ErrPassed) {
		err = firewall.Probe(s.table)
	}
	if errors.Is(err, firewall.ErrPassed) {
		// The table looks right and does not drop: make it anew, and look again.
		if err = s.repair(now, []string{"a packet from a banned address was let through"}); err == nil {
			err = firewall.Probe(s.table)
		}
	}
	return err
}

// lookAhead lists other programs' chains before ours.
func (s *sentry) lookAhead() []string {
	k, ok := s.table.(interface{ Ahead() ([]string, error) })
	if !ok {
		return nil
	}
	chains, err := k.Ahead()
	if err != nil {
		s.log.Error().Err(err).Msg("other programs' chains cannot be listed")
	}
	return chains
}

func (s *sentry) interval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.every
}

func (s *sentry) set(every time.Duration) {
	s.mu.Lock()
	s.every = every
	s.mu.Unlock()
	select {
	case s.wakeC <- struct{}{}: // count from now
	default:
	}
}

// watched is what the sentry knows now.
func (s *sentry) watched() (st watchState, every time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st = s.state
	st.ahead = slices.Clone(st.ahead)
	return st, s.every
}

// guard posts a sentry where the drops are in the kernel.
func (d *daemon) guard(cfg *config.Config) {
	kernel, ok := d.table.(*firewall.Kernel)
	if !ok {
		return
	}
	d.sentry = newSentry(cfg.Health.Firewall, kernel, d.log)
	d.sentry.watch, d.sentry.tell = d.watch, d.herald.tell
	d.sentry.restore = func(now time.Time) error {
		err := kernel.Repair(now)
		if errors.Is(err, firewall.ErrUnread) {
			err = d.responder.Rebuild(now)
		}
		if d.watch != nil {
			err = errors.Join(err, d.watch.Restore()) // who does this to one table seldom spares the other
		}
		return err
	}
}
