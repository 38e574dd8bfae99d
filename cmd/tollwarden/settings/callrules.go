package settings

import (
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/history"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// callRules is the section calls as package calls takes it.
func callRules(c *config.Calls) calls.Rules {
	r := calls.Rules{
		Dialling: numbers.Dialling{
			Country: c.Country, Outside: c.OutsideLine, International: c.International, Internal: c.InternalDigits,
			EmergencyNumbers: c.Emergency,
		},
		Hours: calls.Hours{Zone: c.Timezone},
		Learn: c.Learn, Carriers: c.Carriers, Limits: callLimits(c.Limits), Risky: spending.HighRiskCountry,
	}
	for _, h := range c.Hours {
		r.Hours.Open = append(r.Hours.Open, calls.Span(h))
	}
	for _, d := range c.Holidays {
		r.Hours.Holidays = append(r.Hours.Holidays, calls.Day(d))
	}
	for _, g := range c.Groups {
		r.Groups = append(r.Groups, calls.Group{Name: g.Name, Accounts: g.Accounts, Limits: callLimits(g.Limits)})
	}
	return r
}

// budget is the section calls.budget as package spending takes it.
func budget(c *config.Calls) spending.Budget {
	b := spending.Budget{
		Rules: spending.Rules{
			Account: spendingLimits(c.Budget.BudgetLimits), Site: spendingLimits(c.Budget.Site), Trunk: spendingLimits(c.Budget.Trunk),
			Usual: spending.Pair{Soft: int64(c.Budget.Usual[0]), Hard: int64(c.Budget.Usual[1])},
		},
		Block: c.Budget.Block, Currency: c.Budget.Currency,
	}
	for _, g := range c.Groups {
		b.Groups = append(b.Groups, spending.Group{Accounts: g.Accounts, Limits: spendingLimits(g.Budget)})
	}
	return b
}

func spendingLimits(l config.BudgetLimits) spending.Limits {
	pair := func(p [2]int, unit spending.Money) spending.Pair {
		return spending.Pair{Soft: int64(p[0]) * int64(unit), Hard: int64(p[1]) * int64(unit)}
	}
	return spending.Limits{Minutes: pair(l.Minutes, 1), OffHours: pair(l.OffHours, 1), Money: pair(l.Money, spending.Units(1))}
}

func callLimits(l config.CallLimits) calls.Limits {
	return calls.Limits{
		Rate: l.Rate, Concurrent: l.Concurrent, Gap: l.Gap, Variants: l.Variants,
		OffHours: l.OffHours, OffHoursConcurrent: l.OffHoursConcurrent, Dormant: l.Dormant,
		Destinations: calls.Destinations{Allow: l.Allow, Deny: l.Deny},
	}
}

// HistoryRules are the rules by which calls of the past are judged.
func HistoryRules(cfg *config.Config) (history.Rules, error) {
	r := history.Rules{Calls: callRules(&cfg.Calls), Spending: budget(&cfg.Calls).Rules}
	r.Spending.Zone, r.Spending.Learn = r.Calls.Hours.Zone, r.Calls.Learn
	hours := r.Calls.Hours
	r.Spending.Closed = hours.Closed
	var err error
	r.Spending.Rates, _, err = Rates(cfg)
	return r, err
}
