package daemon

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/report"
)

const (
	week = 7 * 24 * time.Hour
	// weeklyEvery is how often it is looked whether a summary is due.
	weeklyEvery = time.Minute
	// weeklyWithin bounds reading the ledger for it.
	weeklyWithin = 30 * time.Second
	// kindWeekly is the kind of these messages.
	kindWeekly = "weekly"
)

// weekly sends the weekly summary.
type weekly struct {
	notifier *notifier
	ledger   *ledger.Ledger
	names    *roster
	mode     func() config.Mode // now
	checks   func(time.Time) []control.Check
	currency func(time.Time) string
	file     stateFile[weeklyState]
	log      zerolog.Logger
}

// weeklyState is what one run leaves to the next.
type weeklyState struct {
	Last time.Time `json:"last"` // when a summary was sent, or first looked for
}

func openWeekly(data string, log zerolog.Logger) *weekly {
	file, err := openStateFile[weeklyState](filepath.Join(data, "weekly.json"))
	if err != nil {
		log.Error().Err(err).Msg("the next weekly summary is sent a week from now at the latest")
	}
	return &weekly{file: file, log: log}
}

// run sends what is due, until ctx ends. A summary that was due while the daemon did not
// run is sent at its next start.
func (w *weekly) run(ctx context.Context) error {
	tick := time.NewTicker(weeklyEvery)
	defer tick.Stop()
	for {
		w.look(ctx, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *weekly) look(ctx context.Context, now time.Time) {
	when := w.notifier.config.Load().weekly
	last := w.file.kept.Last
	switch {
	case last.IsZero() || last.After(now): // the first start, or the clock was set back
		w.keep(now)
	case when.On && !now.Before(nextWeekly(last, when)):
		w.send(ctx, now)
		w.keep(now)
	}
}

func (w *weekly) keep(at time.Time) {
	if err := w.file.write(weeklyState{Last: at}); err != nil {
		w.file.kept.Last = at // so that it is not sent again by this run
		w.log.Error().Err(err).Msg("when the weekly summary was sent could not be kept: the next start may send it again")
	}
}

// nextWeekly is the first time after another one at which a summary is due, in the zone of
// that time.
func nextWeekly(after time.Time, w config.Weekly) time.Time {
	year, month, day := after.Date()
	for n := 0; ; n++ {
		at := time.Date(year, month, day+n, int(w.At/time.Hour), int(w.At%time.Hour/time.Minute), 0, 0, after.Location())
		if at.Weekday() == w.Day && at.After(after) {
			return at
		}
	}
}

// weeklyJSON is a summary as a webhook gets it.
type weeklyJSON struct {
	Event string    `json:"event"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
}

func (w *weekly) send(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, weeklyWithin)
	defer cancel()
	m := notify.OfPage(w.notifier.config.Load().style.Week(w.facts(ctx, now)), kindWeekly, now)
	m.JSON = weeklyJSON{kindWeekly, now, m.Text}
	m.Brief = m.JSON
	w.notifier.post.Send(m, func(o notify.Outcome) {
		if o.Final {
			w.log.Info().Str("outcome", o.Detail).Msg("weekly summary")
		}
	})
}

// facts are those of the week before a time. What cannot be read is missing, and said to be.
func (w *weekly) facts(ctx context.Context, now time.Time) report.Week {
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
func (w *weekly) risks(since time.Time, holds []incident.Hold, guesses []ledger.Guess) (guessed int, list []report.Risk) {
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
