package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// Limits of the step exec.
const (
	maxCommands        = 4       // at once
	maxWaitingCommands = 1 << 12 // beyond these
)

// commandRunner runs the operator's command for incidents, apart from everything
// else.
type commandRunner struct {
	command atomic.Pointer[config.Exec]
	waiting chan commandRun
	ledger  *ledger.Ledger
	names   *roster
}

var _ journal.Receiver = (*commandRunner)(nil)

// commandRun is one incident for the command.
type commandRun struct {
	incident *incident.Incident
	report   func(incident.State, string)
}

func newCommandRunner(e config.Exec, l *ledger.Ledger) *commandRunner {
	r := &commandRunner{waiting: make(chan commandRun, maxWaitingCommands), ledger: l}
	r.set(e)
	return r
}

// set changes the command from the next run on.
func (r *commandRunner) set(e config.Exec) { r.command.Store(&e) }

// Deliver queues one run without waiting.
func (r *commandRunner) Deliver(i *incident.Incident, report func(incident.State, string)) {
	select {
	case r.waiting <- commandRun{i, report}:
	default:
		report(incident.Failed, "too many incidents are waiting for the command")
	}
}

// run runs what is queued until ctx ends, which kills running commands.
func (r *commandRunner) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range maxCommands {
		g.Go(func() error {
			r.work(ctx)
			return nil
		})
	}
	return g.Wait()
}

func (r *commandRunner) work(ctx context.Context) {
	for {
		select {
		case w := <-r.waiting:
			if state, detail := r.once(ctx, w.incident); ctx.Err() == nil {
				w.report(state, detail)
			}
		case <-ctx.Done():
			return
		}
	}
}

// once runs the command for one incident.
func (r *commandRunner) once(ctx context.Context, i *incident.Incident) (incident.State, string) {
	e := r.command.Load()
	if len(e.Command) == 0 {
		return incident.Failed, "exec.command is no longer set"
	}
	input, err := json.Marshal(r.names.name(recorded(r.ledger, *i)))
	if err != nil {
		return incident.Failed, err.Error()
	}
	printed, err := pbx.Hook{Command: e.Command, Timeout: e.Within}.Run(ctx, input, "")
	switch {
	case err != nil:
		return incident.Failed, err.Error()
	case printed == "":
		return incident.Done, "succeeded"
	}
	return incident.Done, fmt.Sprintf("succeeded; output: %s", printed)
}
