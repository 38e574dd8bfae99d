package daemon

import (
	"context"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Teach takes over what records of past calls have taught. Days that count towards limits
// are refused: these are seen, not taught.
func (b *apiBackend) Teach(ctx context.Context, _ uint32, h control.History) (control.Changed, error) {
	now := time.Now()
	var habits []calls.Habit
	for _, x := range h.Habits {
		switch kind := calls.HabitKind(x.Kind); kind {
		case calls.HabitCountry, calls.HabitCall, calls.HabitHistory:
			habits = append(habits, calls.Habit{Account: x.Account, Kind: kind, Value: x.Value, First: x.First, Last: x.Last})
		default:
			return control.Changed{}, control.Refusal("history: unknown kind of habit " + x.Kind)
		}
	}
	var uses []spending.Use
	for _, x := range h.Days {
		if x.Hour > now.Add(-24*time.Hour).Unix()/3600 {
			return control.Changed{}, control.Refusal("history: calls of the last 24 hours")
		}
		uses = append(uses, spending.Use{
			Hour: x.Hour, Account: x.Account, Place: x.Place, Closed: x.Closed,
			Sum: spending.Sum{Time: time.Duration(x.Seconds * float64(time.Second)), Calls: x.Calls, Money: spending.Money(x.Money), Estimate: x.Estimate},
		})
	}
	return control.Changed{Message: "taught"}, b.engine.Teach(ctx, now, habits, uses)
}
