package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// LegBegan counts a call from when it is set up, and ends it at once if its budget is used
// up. account caused it, and is "" if that is not known; so is trunk. number is what was
// dialled, or what was sent to the trunk if that costs more.
func (g *Gate) LegBegan(now time.Time, channel, account, trunk string, number *numbers.Number) {
	c := costly(number)
	if c.Class == spending.None {
		return
	}
	c.Channel, c.Account, c.Trunk = channel, account, trunk
	g.spending.Began(c)
	g.refuseOverspent(now, c)
}

// RefuseSpent ends a call of a phone before it is dialled on, if its budget is used up. It
// returns whether it did.
func (g *Gate) RefuseSpent(now time.Time, c calls.Channel) bool {
	n, _ := g.dialling.ReadCall(c.Dialled)
	x := costly(&n)
	x.Channel, x.Account = c.Name, c.Account
	return x.Class != spending.None && g.calls.IsPhone(c.Account) && g.refuseOverspent(now, x)
}

func (g *Gate) refuseOverspent(now time.Time, c spending.Call) bool {
	if !g.endSpent(now, c) {
		return false
	}
	limit, limited := g.contain.Costs.Of(c.Account)
	if !limited {
		limit, _ = g.contain.Costs.Of(contain.Site)
	}
	g.Placed(now, limit.Incident, c.Channel)
	return true
}

// costly is a call to a number as the budgets see it. Its class is None if it does not count.
func costly(n *numbers.Number) spending.Call {
	if !n.External {
		return spending.Call{}
	}
	return spending.NewCall(n.E164, n.Country, n.Type, n.Foreign)
}

// LegAnswered records that a call was answered, and costs from now on.
func (g *Gate) LegAnswered(now time.Time, channel string) {
	g.spending.Answered(now, channel)
	g.answered(now, channel)
}

// LegEnded records that a call is over. It is to be called while the Detector still knows the
// leg.
func (g *Gate) LegEnded(now time.Time, channel string) {
	g.legEnded(now, channel)
	g.spending.Ended(now, channel)
}

// endSpent ends a costly call of an account whose budget is used up, or, if the site's is,
// one to a place that is not usual for the account. It returns whether it did.
func (g *Gate) endSpent(now time.Time, c spending.Call) bool {
	limits := &g.contain.Costs
	spent := c.Account != "" && limits.EndsEverywhere(now, c.Account) || limits.EndsEverywhere(now, contain.Site) && !g.spending.Usual(c.Account, c.Place)
	if !spent || !g.endsCostly(now) || g.Contains(now, c.Account) {
		return false
	}
	g.End(c.Channel)
	return true
}

// checkSpendingEvery is how often limits are checked while calls are up that cost. In that
// time, a thief with a hundred calls uses eight minutes.
const checkSpendingEvery = 5 * time.Second

// CheckSpending returns each limit that was reached, once within 24 hours. checked is false
// if it is not yet time to look again.
func (g *Gate) CheckSpending(now time.Time) (reached []spending.Alert, checked bool) {
	if age := now.Sub(g.checkedAt); age >= 0 && age < checkSpendingEvery {
		return nil, false
	}
	g.checkedAt = now
	g.followCalls(now)
	return g.spending.Check(now, g.calls.LearningEnds()), true
}

// EndOverspent ends those calls that are up whose budget is used up.
func (g *Gate) EndOverspent(now time.Time) {
	if !g.contain.Costs.AnyEverywhere(now) {
		return
	}
	g.spending.Running(func(c spending.Call) { g.refuseOverspent(now, c) })
}

// LimitSpending blocks the costly calls that a verdict on a hard limit is about. If the
// limit is an account's, these are its calls. If it is the site's or a trunk's, they are the
// calls to places that are not usual, or those of the accounts that spent most. Asterisk is
// not asked for anything, so that this is done at once. It returns in words what is blocked.
func (g *Gate) LimitSpending(v *score.Verdict) (detail string) {
	until := v.At.Add(g.budget.Block)
	accounts := g.overspent(v)
	for _, account := range accounts {
		g.contain.Costs.BeginEverywhere(v.At, account, until)
	}
	return blockedWords(accounts, until)
}

// overspent are the accounts of a verdict on a hard limit, or contain.Site: each once, in
// order, though the limits of the site and of trunks may be reached at once.
func (g *Gate) overspent(v *score.Verdict) (list []string) {
	if v.Cause.Signal == score.SpendingHard {
		return []string{v.Key.Account}
	}
	for _, a := range g.spending.Raised(v.At, spending.Hard) {
		switch {
		case a.Key.Kind == spending.PerAccount:
		case a.Others:
			list = append(list, contain.Site)
		default:
			list = append(list, a.Accounts...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// maxNamed bounds the accounts that a step names.
const maxNamed = 5

// blockedWords says what is blocked of accounts, or of contain.Site, and how a person lifts
// it.
func blockedWords(accounts []string, until time.Time) string {
	where := ""
	var commands []string
	for _, account := range accounts {
		if account == contain.Site {
			where = " to places that are not usual"
			commands = append(commands, incident.Command("resume"))
			continue
		}
		commands = append(commands, incident.AccountCommand("unlock", account))
	}
	if len(commands) > maxNamed {
		commands = append(commands[:maxNamed], fmt.Sprintf("%d more", len(commands)-maxNamed))
	}
	return fmt.Sprintf("calls abroad and to costly numbers%s are ended until %s; to allow them before: %s",
		where, until.UTC().Format("2006-01-02 15:04 MST"), strings.Join(commands, ", "))
}

// IsHard says whether a verdict is about a hard limit.
func IsHard(v *score.Verdict) bool {
	return v.Cause.Signal == score.SpendingHard || v.Cause.Signal == score.SiteSpendingHard
}

// followCalls compares the calls counted with the channels that are up. It adds those from
// before the start, and drops those whose end was missed. A call is counted by its legs, and
// by the channel of its phone only if it never had one: after a leg has ended, or was ended,
// the phone may hear an announcement.
func (g *Gate) followCalls(now time.Time) {
	var over []string
	g.spending.Running(func(c spending.Call) {
		_, up := g.calls.Channel(c.Channel)
		if _, leg := g.calls.Leg(c.Channel); !up && !leg {
			over = append(over, c.Channel)
		}
	})
	for _, channel := range over {
		g.LegEnded(now, channel)
	}
	free := map[string]bool{}
	for c := range g.calls.All() {
		switch {
		case !c.Calling || !c.Outgoing || c.Answered.IsZero() || g.calls.HasLeft(c.Name) || g.spending.Known(c.Name) || !g.calls.IsPhone(c.Account):
		case g.freeCalls[c.Name]:
			free[c.Name] = true
		default:
			n, _ := g.dialling.ReadCall(c.Dialled)
			if costly(&n).Class == spending.None {
				free[c.Name] = true
				continue
			}
			g.LegBegan(now, c.Name, c.Account, "", &n)
			g.LegAnswered(c.Answered, c.Name)
		}
	}
	g.freeCalls = free
}

// Currency is the currency of all amounts.
func (g *Gate) Currency() string { return g.budget.Currency }

// SpendingNow lists what was spent within 24 hours, and the limits.
func (g *Gate) SpendingNow(now time.Time) []spending.Standing {
	return g.spending.Standings(now, g.calls.LearningEnds())
}
