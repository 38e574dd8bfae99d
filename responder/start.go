package responder

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
)

// start takes over what the ledger and the kernel remember. The kernel keeps
// dropping meanwhile. Whatever the ledger cannot tell is logged, and the start
// goes on without it.
func (e *Engine) start(ctx context.Context, now time.Time, policy judge.Policy) error {
	l := e.parts.Ledger
	// What is open is read before anything is written: a full disk, which takes
	// nothing, must not keep it from being carried out.
	unfinished := e.readUnfinished(ctx)
	known, err := l.Places(ctx, now.Add(-max(policy.Known, places.LivedFor)))
	e.doubt(err, "the known places")
	e.first = err == nil && len(known) == 0
	for _, p := range known {
		e.judge.Places.Lived(p.Prefix.Addr(), p.LastSuccess)
		if now.Sub(p.LastSuccess) <= policy.Known {
			e.judge.Places.Know(p.Account, p.Prefix.Addr(), p.LastSuccess)
		}
	}
	rotations, err := l.Rotations(ctx, now.Add(-contain.Grace))
	e.doubt(err, "the changed passwords")
	for account, at := range rotations {
		e.judge.Contain.Rotations.Set(account, at)
	}
	e.restoreHabits(ctx, now)
	e.restoreGuesses(ctx, now)
	e.restoreSpending(ctx, now)
	undecided := e.restoreHolds(ctx, now)
	taken, err := l.Taken(ctx, now.Add(-policy.Breaker.Within))
	e.doubt(err, "the extensions whose passwords were changed lately")
	for account, at := range taken {
		e.judge.Contain.Breaker.Take(at, account)
	}
	offences, err := l.Offences(ctx, now.Add(-policy.Ladder.Forget))
	e.doubt(err, "how many times each address was banned")
	for _, o := range offences {
		e.judge.Offences.Set(o.Prefix, o.Number, o.Last)
	}
	repeats, err := l.Repeats(ctx, now.Add(-policy.Ladder.RepeatMemory()))
	e.doubt(err, "the bans of addresses that may be spoofed")
	for _, r := range repeats {
		e.judge.Repeats.Set(r.Prefix, r.Number, r.Last)
	}
	if err := e.restoreBans(ctx, now); err != nil {
		return err
	}
	e.judge.Bans.Loaded(time.Now())
	e.restorePartial(ctx, now)
	for _, account := range undecided {
		e.judge.EnforceProbation(now, account)
	}
	e.resume(now, unfinished)
	return nil
}

func (e *Engine) doubt(err error, what string) {
	if err != nil {
		e.parts.Log.Error().Err(err).Msg("could not read " + what + " from the records on disk: continuing without")
	}
}

func (e *Engine) restoreHabits(ctx context.Context, now time.Time) {
	rows, err := e.parts.Ledger.Habits(ctx)
	e.doubt(err, "the habits")
	var habits []calls.Habit
	for _, h := range rows {
		switch h.Kind {
		case habitNetwork:
			if prefix, err := netip.ParsePrefix(h.Value); err == nil {
				e.judge.Places.RestoreNetwork(now, places.Network{Account: h.Account, Prefix: prefix, First: h.First, Last: h.Last})
			}
		case habitSlow:
			e.judge.Slow.RestoreRaised(slow.Raised{Account: h.Account, At: h.Last, Proven: h.Value == score.Proven.String()})
		default:
			habits = append(habits, calls.Habit{Account: h.Account, Kind: calls.HabitKind(h.Kind), Value: h.Value, First: h.First, Last: h.Last})
		}
	}
	e.judge.Calls.RestoreHabits(now, habits)
}

// restoreGuesses takes over the wrong passwords that count for days, after the places
// where accounts are used.
func (e *Engine) restoreGuesses(ctx context.Context, now time.Time) {
	rows, err := e.parts.Ledger.Guesses(ctx)
	e.doubt(err, "the wrong passwords of the last days")
	list := make([]slow.Guess, len(rows))
	for n, g := range rows {
		list[n] = slow.Guess{
			Account: g.Account, Source: g.Prefix, First: g.First, Last: g.Last, Failures: g.Failures, Proven: g.Proven,
			Port: g.Port, Transport: g.Transport, Signal: g.Signal, Own: g.Own,
		}
	}
	e.judge.Slow.Restore(now, list)
}

// restoreHolds takes over what holds for accounts. It returns those with addresses on
// probation.
func (e *Engine) restoreHolds(ctx context.Context, now time.Time) (undecided []string) {
	holds, err := e.parts.Ledger.Holds(ctx)
	e.doubt(err, "the locks, restrictions, limits, stolen passwords and addresses on probation")
	e.restoreOrders(ctx, now, holds)
	for _, h := range holds {
		switch h.Kind {
		case incident.HoldLock:
			e.judge.Contain.Locks.Restore(h.Account, h.Value)
		case incident.HoldRestriction:
			e.judge.Contain.Restrictions.Restore(now, h.Account, contain.ParseNetworks(h.Value), h.Since)
		case incident.HoldStolen:
			e.restoreThieves(now, h)
		case incident.HoldWaiting:
			e.judge.Contain.Breaker.RestoreWaiting(h.Account, h.Since, h.Value)
		case incident.HoldPause:
			e.restorePause(now, h)
		case incident.HoldResumed:
			e.judge.Contain.Breaker.Resume(h.Since)
		case incident.HoldCosts:
			if !e.judge.Contain.Costs.Restore(now, h) {
				e.parts.Ledger.DropHold(h.Account, h.Kind)
			}
		case incident.HoldProbation:
			e.restoreProbation(now, h)
			undecided = append(undecided, h.Account)
		case incident.HoldCompromised:
			e.restoreCompromise(now, h)
		}
	}
	return undecided
}

func (e *Engine) restoreThieves(now time.Time, h incident.Hold) {
	if now.Sub(h.Since) >= places.StolenFor {
		e.parts.Ledger.DropHold(h.Account, h.Kind)
		return
	}
	for _, thief := range contain.ParseNetworks(h.Value) {
		e.judge.Places.RestoreThief(h.Account, thief, h.Since)
	}
}

func (e *Engine) restoreProbation(now time.Time, h incident.Hold) {
	if now.Sub(h.Since) >= places.ProbationFor {
		e.parts.Ledger.DropHold(h.Account, h.Kind)
		return
	}
	for _, x := range places.ParseProbation(h) {
		e.judge.Places.RestoreProbation(x)
	}
}

func (e *Engine) restoreCompromise(now time.Time, h incident.Hold) {
	if now.Sub(h.Since) >= places.StolenFor {
		e.parts.Ledger.DropHold(h.Account, h.Kind)
		return
	}
	c := places.Compromise{Account: h.Account, At: h.Since}
	if source, err := netip.ParsePrefix(h.Value); err == nil {
		c.Source = source
	}
	e.judge.Places.RestoreCompromise(c)
}

// restoreBans brings the bans of the ledger and those of the kernel together, in mode observe,
// too: what a person banned, or the daemon before, stays.
func (e *Engine) restoreBans(ctx context.Context, now time.Time) error {
	list, err := e.parts.Ledger.Bans(ctx, now)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // stopped meanwhile, with every ban left as it was
	}
	e.doubt(err, "all of the bans")
	for i := range list {
		if b := &list[i]; b.Scope == incident.ScopeSIP {
			b.Repeat = e.judge.Repeats.Count(now, b.Prefix)
		}
	}
	was := bans.Remembered{Bans: list, Partial: err != nil}
	err = bans.Load(now, e.judge.Bans, e.parts.Firewall, e.parts.Ledger, was, e.judge.Places.Allowed)
	if errors.Is(err, bans.ErrFull) {
		e.queue.SetFull()
		e.parts.Log.Error().Err(err).Msg("the kernel's table is full: the other bans are tried again every minute")
		return nil
	}
	return err
}

const (
	// finishWithin is how old an incident may be whose steps are still carried out
	// after a restart. What was decided longer ago is for a person to look at,
	// since the account may have changed hands since.
	finishWithin = time.Hour
	// deliverWithin is the same for messages, which is retried for a day
	// while the daemon runs.
	deliverWithin = 24 * time.Hour
)

// unfinished is what a crash left unfinished.
type unfinished struct {
	steps     []ledger.OpenStep
	incidents map[int64]incident.Incident // of the steps; without those that could not be read
}

func (e *Engine) readUnfinished(ctx context.Context) unfinished {
	steps, err := e.parts.Ledger.OpenSteps(ctx)
	e.doubt(err, "the unfinished steps")
	o := unfinished{steps, map[int64]incident.Incident{}}
	for _, s := range steps {
		if _, read := o.incidents[s.Incident]; read {
			continue
		}
		i, err := e.parts.Ledger.Incident(ctx, s.Incident)
		e.doubt(err, "an unfinished incident")
		if err == nil || errors.Is(err, ledger.ErrBehind) && i.ID != 0 {
			o.incidents[s.Incident] = i
		}
	}
	return o
}

// resume deals with the steps that a crash left open: the bans among them are in
// force again by now; of a recent incident the rest is carried out once there is
// a connection; what remains is reported.
func (e *Engine) resume(now time.Time, o unfinished) {
	var recent []int64
	for _, s := range o.steps {
		i, read := o.incidents[s.Incident]
		switch {
		case s.Step.Step == incident.StepBan && e.drops(now, s.Target):
			s.State, s.Detail = incident.Done, "in force since the restart"
		case e.pausedStep(now, &s.Step):
		case read && e.canFinish(s.Step.Step, now.Sub(i.At)):
			if !slices.Contains(recent, s.Incident) {
				recent = append(recent, s.Incident)
			}
			continue // for the workers
		default:
			s.State, s.Detail = incident.Failed, "the daemon stopped before this was finished: check it"
			e.parts.Log.Error().Int64("incident", s.Incident).Str("step", string(s.Step.Step)).Str("target", s.Target).Msg("a step was not finished when the daemon stopped")
		}
		if s.N < len(i.Steps) {
			i.Steps[s.N].State, i.Steps[s.N].Detail = s.State, s.Detail
		}
		e.parts.Ledger.PutStep(s.Incident, s.N, s.Started, s.Step)
	}
	for _, id := range recent {
		e.finish(now, o.incidents[id])
	}
}

// canFinish names the steps that do no harm when they are done twice, of an
// incident that is not too old for them. In mode observe that is the message alone.
func (e *Engine) canFinish(kind incident.StepKind, age time.Duration) bool {
	switch kind {
	case incident.StepHangup, incident.StepRotate, incident.StepRemoveRegistrations:
		return age < finishWithin && !e.judge.Observes()
	case incident.StepNotify:
		return age < deliverWithin && e.parts.Notifier != nil
	}
	return false
}

// drops says whether a target is banned, or dropped if it is a flow.
func (e *Engine) drops(now time.Time, target string) bool {
	if flow, err := netip.ParseAddrPort(target); err == nil {
		return e.dropsFlow(now, flow)
	}
	prefix, err := incident.ParsePrefix(target)
	if err != nil {
		return false
	}
	_, ok := e.judge.Bans.Covering(now, prefix)
	return ok
}

// finish gives what is left of an incident to the workers.
func (e *Engine) finish(now time.Time, i incident.Incident) {
	e.parts.Log.Warn().Int64("incident", i.ID).Str("account", i.Account).Msg("an incident was not finished when the daemon stopped: resuming it")
	e.with(func() { e.employ(now, &i, 0) })
}
