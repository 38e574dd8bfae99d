package responder

import (
	"context"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// teachAtOnce is how much is taught with the lock held, and before the ledger is waited
// for.
const teachAtOnce = 1000

// Teach takes over what records of past calls tell, for good. What is known already is
// kept. It may wait for the ledger.
func (e *Engine) Teach(ctx context.Context, now time.Time, habits []calls.Habit, uses []spending.Use) error {
	for len(uses) > 0 {
		n := min(len(uses), teachAtOnce)
		e.with(func() {
			for _, u := range e.judge.Spending.Teach(uses[:n]) {
				e.parts.Ledger.AddSpending(spendingRow(u))
			}
		})
		if err := e.parts.Ledger.Flush(ctx); err != nil {
			return err
		}
		uses = uses[n:]
	}
	for len(habits) > 0 {
		n := min(len(habits), teachAtOnce)
		e.with(func() { e.judge.Calls.Teach(now, habits[:n]) })
		if err := putHabits(ctx, e.parts.Ledger, habits[:n]); err != nil {
			return err
		}
		habits = habits[n:]
	}
	return nil
}

func putHabits(ctx context.Context, l *ledger.Ledger, habits []calls.Habit) error {
	for _, h := range habits {
		l.PutHabit(ledger.Habit{Account: h.Account, Kind: string(h.Kind), Value: h.Value, First: h.First, Last: h.Last})
	}
	return l.Flush(ctx)
}

// TeachLedger is Teach for the ledger of an engine that does not run.
func TeachLedger(ctx context.Context, now time.Time, l *ledger.Ledger, rules spending.Rules, habits []calls.Habit, uses []spending.Use) error {
	rows, err := l.Spending(ctx, now.Add(-spending.KeepFor))
	if err != nil {
		return err
	}
	s := spending.New(rules)
	s.Restore(usesOf(rows))
	for fresh := range slices.Chunk(s.Teach(uses), teachAtOnce) {
		for _, u := range fresh {
			l.AddSpending(spendingRow(u))
		}
		if err := l.Flush(ctx); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(habits, teachAtOnce) {
		if err := putHabits(ctx, l, some); err != nil {
			return err
		}
	}
	return nil
}

// NeedsHistory reports whether the first days are not over, and no records of past calls
// have told what is usual.
func (e *Engine) NeedsHistory(now time.Time) (needs bool) {
	e.with(func() { needs = !e.judge.Calls.Taught() && now.Before(e.judge.Calls.LearningEnds()) })
	return needs
}
