package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// apiBackend answers the commands.
type apiBackend struct {
	statusSource
	feeds *feeds
}

var _ control.Daemon = (*apiBackend)(nil)

// Reload reads the configuration and the allow file again.
func (b *apiBackend) Reload(uint32) (control.Changed, error) {
	message, err := b.config.reload(context.Background())
	if err != nil {
		return control.Changed{}, control.Refusal(err.Error())
	}
	return control.Changed{Message: message}, nil
}

// WatchBans sends every change of a ban from now on.
func (b *apiBackend) WatchBans() (<-chan control.BanChange, func()) { return b.feeds.bans.watch() }

// WatchIncidents sends every change of an incident from now on.
func (b *apiBackend) WatchIncidents() (<-chan incident.Incident, func()) {
	return b.feeds.incidents.watch()
}

// flushWithin bounds how long an order waits for the disk.
const flushWithin = 2 * time.Second

// flushed waits until a change is in the ledger. It is in force already, so a slow
// or broken disk is mentioned and is no failure.
func (b *apiBackend) flushed(c control.Changed) (control.Changed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := b.ledger.Flush(ctx); err != nil {
		c.Message += " (in force, but not yet on disk: " + err.Error() + ")"
	}
	return c, nil
}

// refusal makes what the engine refused an error that reaches the person word for
// word.
func refusal(err error) error {
	if errors.Is(err, incident.ErrRefused) {
		return control.Refusal(err.Error())
	}
	return err
}
