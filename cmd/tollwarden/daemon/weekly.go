package daemon

import (
	"context"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
)

const (
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
	sources  weekSources
	file     stateFile[weeklyState]
	log      zerolog.Logger
}

// weeklyState is what one run leaves to the next.
type weeklyState struct {
	Last time.Time `json:"last"` // when a summary was sent, or first looked for
}

func openWeekly(data string, to *notifier, from weekSources, log zerolog.Logger) *weekly {
	file, err := openStateFile[weeklyState](filepath.Join(data, "weekly.json"))
	if err != nil {
		log.Error().Err(err).Msg("the next weekly summary is sent a week from now at the latest")
	}
	return &weekly{notifier: to, sources: from, file: file, log: log}
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
	m := notify.OfPage(w.notifier.config.Load().style.Week(w.sources.facts(ctx, now)), kindWeekly, now)
	m.JSON = weeklyJSON{kindWeekly, now, m.Text}
	m.Brief = m.JSON
	w.notifier.post.Send(m, func(o notify.Outcome) {
		if o.Final {
			w.log.Info().Str("outcome", o.Detail).Msg("weekly summary")
		}
	})
}
