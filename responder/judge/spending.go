package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// watchSpending raises a signal for each limit that was reached.
func (j *Judge) watchSpending(now time.Time) {
	reached, checked := j.Gate.CheckSpending(now)
	for _, a := range reached {
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
	if checked {
		j.Gate.EndOverspent(now)
	}
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

// Forgive takes a person's word that what an account has spent was right, or that the
// thief is out: it no longer counts towards limits. "" is every account, and the site.
func (j *Judge) Forgive(now time.Time, account string) {
	j.Spending.Forgive(now, account)
	if account == "" {
		j.limits.end(contain.Site, "a person has allowed the calls again")
	}
}
