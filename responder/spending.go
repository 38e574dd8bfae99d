package responder

import (
	"context"
	"maps"
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Spending is what was spent within 24 hours.
type Spending struct {
	List         []spending.Standing // the site, the trunks and the accounts, with their limits
	Currency     string
	LearningEnds time.Time            // when the first days are over
	Blocked      map[string]time.Time // accounts whose costly calls are ended, until when; "" is the site
}

// Spending is what was spent within 24 hours, and what the limits are.
func (e *Engine) Spending(now time.Time) (s Spending) {
	e.with(func() {
		s.List, s.Currency = e.judge.Gate.SpendingNow(now), e.judge.Gate.Currency()
		s.LearningEnds, s.Blocked = e.judge.Calls.LearningEnds(), maps.Collect(e.judge.Contain.Costs.Everywhere(now))
	})
	return s
}

// restoreSpending takes over what calls have cost. What calls cost that are up is counted
// from Asterisk's list of channels.
func (e *Engine) restoreSpending(ctx context.Context, now time.Time) {
	rows, err := e.parts.Ledger.Spending(ctx, now.Add(-spending.KeepFor))
	e.doubt(err, "what calls have cost")
	e.judge.Spending.Restore(usesOf(rows))
}

// usesOf are what rows of the ledger say was spent.
func usesOf(rows []ledger.Spent) []spending.Use {
	list := make([]spending.Use, len(rows))
	for i, r := range rows {
		list[i] = spending.Use{
			Hour: r.Hour, Account: r.Account, Trunk: r.Trunk, Place: r.Place, Risky: r.Risky, Closed: r.Closed, Forgiven: r.Forgiven,
			Sum: spending.Sum{Time: r.Time, Calls: r.Calls, Money: spending.Money(r.Money), Estimate: r.Estimate},
		}
	}
	return list
}

func spendingRow(u spending.Use) ledger.Spent {
	return ledger.Spent{
		Hour: u.Hour, Account: u.Account, Trunk: u.Trunk, Place: u.Place, Risky: u.Risky, Closed: u.Closed, Forgiven: u.Forgiven,
		Time: u.Time, Calls: u.Calls, Money: int64(u.Money), Estimate: u.Estimate,
	}
}
