package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/cdr"
	"github.com/tollwarden/tollwarden/responder/history"
)

// pastCalls learns from records of past calls at the first start, beside everything else.
type pastCalls struct {
	cfg    *config.Config
	engine *responder.Engine
	log    zerolog.Logger
}

// historyRetries is when records are tried again that could not be read: the database may
// start later than the daemon.
var historyRetries = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// run learns once. Its failure ends nothing else.
func (p *pastCalls) run(ctx context.Context) error {
	if !p.engine.NeedsHistory(time.Now()) {
		return nil
	}
	sources := settings.HistorySources(p.cfg)
	if len(sources) == 0 {
		return nil
	}
	for n := 0; ; n++ {
		err := p.learn(ctx, sources)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		p.log.Warn().Err(err).Msg("what is usual is not learned from calls of the past, but as calls are made: see calls.history")
		if n == len(historyRetries) {
			return nil
		}
		select {
		case <-time.After(historyRetries[n]):
		case <-ctx.Done():
			return nil
		}
	}
}

// learn learns from the first source that has calls.
func (p *pastCalls) learn(ctx context.Context, sources []string) (err error) {
	for _, source := range sources {
		began := time.Now()
		learned, failed := settings.LearnHistory(ctx, began, p.cfg, p.cfg.Calls.Timezone, cdr.Unclear, source)
		if failed == nil {
			failed = p.engine.Teach(ctx, time.Now(), learned.Habits, learned.Uses)
		}
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		p.log.Info().Str("source", source).Dur("took", time.Since(began)).Msg("calls of the past: " + learned.Summary.Words())
		warnOfSuspects(p.log, learned.Summary.Suspects)
		if learned.Summary.Records > learned.Summary.Old {
			return nil
		}
	}
	return err
}

func warnOfSuspects(log zerolog.Logger, list []history.Suspicion) {
	for i := range list {
		log.Warn().Str("account", list[i].Account).Msg("calls of the past: " + list[i].Words())
	}
}
