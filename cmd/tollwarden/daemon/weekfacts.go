package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/report"
)

// week is how far back a summary looks.
const week = 7 * 24 * time.Hour

// weekSources are what a weekly summary is made from.
type weekSources struct {
	ledger   *ledger.Ledger
	names    *roster
	mode     func() config.Mode // now
	checks   func(time.Time) []control.Check
	currency func(time.Time) string
}

// facts are those of the week before a time. What cannot be read is missing, and said to be.
func (w *weekSources) facts(ctx context.Context, now time.Time) report.Week {
	since := now.Add(-week)
	of := report.Week{From: since, To: now, Observing: w.mode() == config.Observe}
	var errs []error
	summary, err := w.ledger.Summary(ctx, since)
	errs = append(errs, err)
	for _, c := range summary.Incidents {
		of.Incidents = append(of.Incidents, report.IncidentCount{Threshold: c.Threshold, N: c.N})
	}
	of.BreakIns, of.Banned = summary.BreakIns, summary.Bans
	holds, err := w.ledger.Holds(ctx)
	errs = append(errs, err)
	guesses, err := w.ledger.Guesses(ctx)
	errs = append(errs, err)
	of.Guessed, of.AtRisk = w.risks(since, holds, guesses)
	spent, err := w.ledger.Spending(ctx, since)
	errs = append(errs, err)
	of.Abroad, of.Places = spentIn(spent, w.currency(now))
	for _, c := range failing(w.checks(now)) {
		of.Failing = append(of.Failing, report.Check{Name: c.Title(), Detail: c.Detail})
	}
	if err := errors.Join(errs...); err != nil {
		of.Partial = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return of
}

// riskOf says which holds mean that somebody should look after an account, and how grave
// that is.
var riskOf = []struct {
	hold incident.HoldKind
	risk report.RiskKind
}{
	{incident.HoldWaiting, report.RiskWaiting},
	{incident.HoldStolen, report.RiskStolen},
	{incident.HoldProbation, report.RiskProbation},
	{incident.HoldLock, report.RiskLocked},
}

// mostGuessed is how many accounts are named because they are guessed at most.
const mostGuessed = 3

// risks lists the accounts that somebody should look after, the gravest first, each once,
// and counts those that were guessed at since a time.
func (w *weekSources) risks(since time.Time, holds []incident.Hold, guesses []ledger.Guess) (guessed int, list []report.Risk) {
	seen := map[string]bool{"": true}
	add := func(account string, why report.RiskKind) {
		if !seen[account] {
			seen[account] = true
			list = append(list, report.Risk{Account: account, Person: w.names.of(account), Why: why})
		}
	}
	for _, r := range riskOf {
		for _, h := range holds {
			if h.Kind == r.hold {
				add(h.Account, r.risk)
			}
		}
	}
	failures := map[string]int{}
	for _, g := range guesses {
		if !g.Own && g.Failures > 0 && !g.Last.Before(since) {
			failures[g.Account] += g.Failures
		}
	}
	var accounts []string
	for account := range failures {
		accounts = append(accounts, account)
	}
	slices.SortFunc(accounts, func(a, b string) int {
		return cmp.Or(cmp.Compare(failures[b], failures[a]), cmp.Compare(a, b))
	})
	for n, account := range accounts {
		if n == mostGuessed {
			break
		}
		add(account, report.RiskGuessed)
	}
	return len(accounts), list
}

// spentIn adds up what calls that cost used, together and by place, the most expensive
// place first.
func spentIn(list []ledger.Spent, currency string) (all report.Use, places []report.Use) {
	all.Currency = currency
	byPlace := map[string]*report.Use{}
	for _, s := range list {
		u := byPlace[s.Place]
		if u == nil {
			u = &report.Use{Place: s.Place, Currency: currency}
			byPlace[s.Place] = u
		}
		for _, to := range []*report.Use{&all, u} {
			to.Calls += s.Calls
			to.Time += s.Time
			to.Money += s.Money
			to.Estimate = to.Estimate || s.Estimate
		}
	}
	for _, u := range byPlace {
		places = append(places, *u)
	}
	slices.SortFunc(places, func(a, b report.Use) int {
		return cmp.Or(cmp.Compare(b.Money, a.Money), cmp.Compare(b.Time, a.Time), cmp.Compare(a.Place, b.Place))
	})
	return all, places
}
