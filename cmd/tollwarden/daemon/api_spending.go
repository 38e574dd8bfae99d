package daemon

import (
	"cmp"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Spending is what calls have used of their budgets.
func (b *apiBackend) Spending() control.Spending {
	return spendingOf(time.Now(), b.engine.Spending(time.Now()), b.names)
}

func spendingOf(now time.Time, s responder.Spending, names *roster) control.Spending {
	out := control.Spending{Currency: s.Currency, List: []control.Spender{}, Blocked: []control.Blocking{}}
	if now.Before(s.LearningEnds) {
		out.Learning = incident.SomeTime(s.LearningEnds)
	}
	for account, until := range s.Blocked {
		out.Blocked = append(out.Blocked, control.Blocking{Account: account, Name: names.of(account), Until: until})
	}
	slices.SortFunc(out.Blocked, func(a, b control.Blocking) int { return cmp.Compare(a.Account, b.Account) })
	kinds := map[spending.Kind]string{spending.PerSite: "site", spending.PerTrunk: "trunk", spending.PerAccount: "account"}
	for _, x := range s.List {
		spender := control.Spender{Kind: kinds[x.Key.Kind], Name: x.Key.Name}
		if x.Key.Kind == spending.PerAccount {
			spender.Person = names.of(x.Key.Name)
		}
		for _, p := range x.Parts {
			spent := &control.Spent{Calls: p.Spent.Calls, Minutes: measured(p.Minutes), OffHours: measured(p.OffHours), Money: measured(p.Money), Estimate: p.Spent.Estimate}
			if p.Usual {
				spender.Usual = spent
			} else {
				spender.Other = spent
			}
		}
		out.List = append(out.List, spender)
	}
	return out
}

func measured(m spending.Measure) control.Measured {
	out := control.Measured{Used: m.Used, Soft: m.Soft, Hard: m.Hard}
	if left, ok := m.Left(); ok {
		out.Left = &left
	}
	return out
}
