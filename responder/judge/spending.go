package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Budget is what the operator decided about the costs of calls.
type Budget struct {
	spending.Rules
	Block    time.Duration // how long a hard limit blocks costly calls
	Currency string
}

// spendingRules are the budgets, with the hours of the site.
func (p *Policy) spendingRules() spending.Rules {
	r, hours := p.Budget.Rules, p.Calls.Hours
	r.Zone, r.Closed, r.Learn = hours.Zone, hours.Closed, p.Calls.Learn
	return r
}

// legBegan counts a call that is set up from now on, and ends it at once if its budget
// is used up. account caused it, "" if nobody knows; trunk is "" if it is not known.
// number is what was dialled, or sent if that costs more.
func (j *Judge) legBegan(now time.Time, channel, account, trunk string, number *numbers.Number) {
	c := costly(number)
	if c.Class == spending.None {
		return
	}
	c.Channel, c.Account, c.Trunk = channel, account, trunk
	j.Spending.Began(c)
	j.refuseOverspent(now, c)
}

// refuseSpent ends a call of a phone before it is dialled on, if its budget is used up. It
// returns whether it did.
func (j *Judge) refuseSpent(now time.Time, c calls.Channel) bool {
	n := j.read(c.Dialled)
	x := costly(&n)
	x.Channel, x.Account = c.Name, c.Account
	return x.Class != spending.None && j.Calls.IsPhone(c.Account) && j.refuseOverspent(now, x)
}

func (j *Judge) refuseOverspent(now time.Time, c spending.Call) bool {
	if !j.endSpent(now, c) {
		return false
	}
	limit, limited := j.Contain.Costs.Of(c.Account)
	if !limited {
		limit, _ = j.Contain.Costs.Of(contain.Site)
	}
	j.recordPlaced(now, limit.Incident, calls.Sign{Channel: c.Channel})
	return true
}

// costly is what a call to a number is to the budgets; of class None if it does not count.
func costly(n *numbers.Number) spending.Call {
	if !n.External {
		return spending.Call{}
	}
	c := spending.Call{E164: n.E164, Place: n.Country, Class: spending.ClassOf(n.Country, n.Type, n.Foreign)}
	switch c.Class {
	case spending.Premium, spending.Satellite, spending.Personal:
		c.Place = c.Class.String()
	}
	return c
}

// recordCall records a call of incidents, and about what it has cost so far.
func (j *Judge) recordCall(now time.Time, c contain.IncidentCall) {
	c.Call.Cost = j.costOf(now, &c.Call)
	j.effects.Call(c)
}

// costOf is about what a call of an incident cost, or has cost so far.
func (j *Judge) costOf(now time.Time, c *incident.Call) (cost incident.Cost) {
	n := j.read(c.Dialled)
	leg := costly(&n)
	if leg.Class == spending.None || c.Answered.IsZero() {
		return cost
	}
	end := c.Ended
	if end.IsZero() {
		end = now
	}
	price, known := j.policy.Budget.Price(&leg, end.Sub(c.Answered))
	return incident.Cost{Amount: int64(price), Currency: j.policy.Budget.Currency, Estimate: !known}
}

// legAnswered counts that a call costs from now on.
func (j *Judge) legAnswered(now time.Time, channel string) { j.Spending.Answered(now, channel) }

// legEnded counts that a call is over.
func (j *Judge) legEnded(now time.Time, channel string) { j.Spending.Ended(now, channel) }

// endSpent ends a costly call of an account whose budget is used up, or, if the site's is,
// one to a place that is not usual for the account. It returns whether it did.
func (j *Judge) endSpent(now time.Time, c spending.Call) bool {
	limits := &j.Contain.Costs
	spent := c.Account != "" && limits.EndsEverywhere(now, c.Account) || limits.EndsEverywhere(now, contain.Site) && !j.Spending.Usual(c.Account, c.Place)
	if !spent || j.policy.Observe || j.pause.Active(now) || j.contains(now, c.Account) {
		return false
	}
	j.counters.CostlyEnded++
	j.effects.EndCall(c.Channel)
	return true
}

// checkSpendingEvery is how often limits are checked while calls are up that cost. In that
// time, a thief with a hundred calls uses eight minutes.
const checkSpendingEvery = 5 * time.Second

// watchSpending raises a signal for each limit that was reached.
func (j *Judge) watchSpending(now time.Time) {
	if age := now.Sub(j.spendingAt); age >= 0 && age < checkSpendingEvery {
		return
	}
	j.spendingAt = now
	j.followCalls(now)
	for _, a := range j.Spending.Check(now, j.Calls.LearningEnds()) {
		o := score.Observation{At: now, Signal: spendingSignal(&a), Session: []byte(a.Reason(j.policy.Budget.Currency))}
		if a.Key.Kind == spending.PerAccount {
			o.Account = []byte(a.Key.Name)
		}
		for _, v := range j.table.Observe(&o) {
			v.Reason = string(o.Session)
			j.count(&v)
			j.answer(&v, nil)
		}
	}
	for range j.Contain.Costs.Everywhere(now) {
		j.Spending.Running(func(c spending.Call) { j.refuseOverspent(now, c) })
		break
	}
}

// limitSpending blocks the costly calls that a verdict on a hard limit is about: those of
// an account; or of the site those to places that are not usual, or those of the accounts
// that spent most. It needs nothing of Asterisk and is done at once.
func (j *Judge) limitSpending(v *score.Verdict, steps []incident.Step) {
	until := v.At.Add(j.policy.Budget.Block)
	for _, account := range j.overspent(v) {
		j.Contain.Costs.BeginEverywhere(v.At, account, until)
	}
	for i := range steps {
		if s := &steps[i]; s.Step == incident.StepLimitCosts && s.State == incident.Intended {
			s.State, s.Detail, s.Took = incident.Done, j.spentWords(v, until), 1
		}
	}
}

// overspent are the accounts of a verdict on a hard limit, or contain.Site.
func (j *Judge) overspent(v *score.Verdict) (list []string) {
	if v.Cause.Signal == score.SpendingHard {
		return []string{v.Key.Account}
	}
	for _, a := range j.Spending.Raised(v.At, spending.Hard) {
		switch {
		case a.Key.Kind == spending.PerAccount:
		case a.Others:
			list = append(list, contain.Site)
		default:
			list = append(list, a.Accounts...)
		}
	}
	return list
}

// spentWords says what is blocked, and how a person lifts it.
func (j *Judge) spentWords(v *score.Verdict, until time.Time) string {
	list, who := j.overspent(v), ""
	var ways []string
	for _, account := range list {
		switch account {
		case contain.Site:
			who = " to places that are not usual"
			ways = append(ways, incident.Command("resume"))
		default:
			ways = append(ways, incident.AccountCommand("unlock", account))
		}
	}
	if len(ways) > maxPhones {
		ways = append(ways[:maxPhones], fmt.Sprintf("%d more", len(ways)-maxPhones))
	}
	return fmt.Sprintf("calls abroad and to costly numbers%s are ended until %s; to allow them before: %s", who, until.UTC().Format("2006-01-02 15:04 MST"), strings.Join(ways, ", "))
}

// spendingHard says whether a verdict is about a hard limit.
func spendingHard(v *score.Verdict) bool {
	return v.Cause.Signal == score.SpendingHard || v.Cause.Signal == score.SiteSpendingHard
}

// spendingSignals are the signals of limits.
var spendingSignals = map[score.Signal]bool{
	score.SpendingSoft: true, score.SpendingHard: true, score.SiteSpendingSoft: true, score.SiteSpendingHard: true,
}

func spendingSignal(a *spending.Alert) score.Signal {
	switch {
	case a.Key.Kind == spending.PerAccount && a.Level == spending.Hard:
		return score.SpendingHard
	case a.Key.Kind == spending.PerAccount:
		return score.SpendingSoft
	case a.Level == spending.Hard:
		return score.SiteSpendingHard
	}
	return score.SiteSpendingSoft
}

// followCalls has what is counted agree with the channels that are up: those from before
// the start, and those whose end was missed. A call is counted by its legs, and by the channel
// of its phone only if it never had one: after a leg has ended, or was ended, the phone may
// hear an announcement.
func (j *Judge) followCalls(now time.Time) {
	var over []string
	j.Spending.Running(func(c spending.Call) {
		_, up := j.Calls.Channel(c.Channel)
		if _, leg := j.Calls.Leg(c.Channel); !up && !leg {
			over = append(over, c.Channel)
		}
	})
	for _, channel := range over {
		j.legEnded(now, channel)
	}
	free := map[string]bool{}
	for c := range j.Calls.All() {
		switch {
		case !c.Calling || !c.Outgoing || c.Answered.IsZero() || j.Calls.HasLeft(c.Name) || j.Spending.Known(c.Name) || !j.Calls.IsPhone(c.Account):
		case j.freeCalls[c.Name]:
			free[c.Name] = true
		default:
			n := j.read(c.Dialled)
			if costly(&n).Class == spending.None {
				free[c.Name] = true
				continue
			}
			j.legBegan(now, c.Name, c.Account, "", &n)
			j.legAnswered(c.Answered, c.Name)
		}
	}
	j.freeCalls = free
}

// read is the meaning of a dialled number; an emergency number has none.
func (j *Judge) read(dialled string) numbers.Number {
	if j.policy.Calls.Dialling.Emergency(dialled) {
		return numbers.Number{Digits: dialled}
	}
	return j.policy.Calls.Dialling.Read(dialled)
}

// Forgive takes a person's word that what an account has spent was right, or that the
// thief is out: it no longer counts towards limits. "" is every account, and the site.
func (j *Judge) Forgive(now time.Time, account string) {
	j.Spending.Forgive(now, account)
	if account == "" {
		j.endCostLimit(contain.Site, "a person has allowed the calls again")
	}
}

// Currency is that of money.
func (j *Judge) Currency() string { return j.policy.Budget.Currency }

// SpendingNow is what was spent within 24 hours, and what the limits are.
func (j *Judge) SpendingNow(now time.Time) []spending.Standing {
	return j.Spending.Standings(now, j.Calls.LearningEnds())
}
