package main

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

// Limits of what the step exec runs.
const (
	maxRuns  = 4       // at once
	maxToRun = 1 << 12 // waiting
)

// runner runs the operator's command for incidents, apart from everything else.
type runner struct {
	command atomic.Pointer[config.Exec]
	toRunC  chan toRun
	ledger  *ledger.Ledger
}

// toRun is one incident that the command is to be told.
type toRun struct {
	incident *incident.Incident
	report   func(incident.State, string)
}

func newRunner(e config.Exec, l *ledger.Ledger) *runner {
	r := &runner{toRunC: make(chan toRun, maxToRun), ledger: l}
	r.set(e)
	return r
}

// set changes the command from the next run on.
func (r *runner) set(e config.Exec) { r.command.Store(&e) }

// Deliver queues one run without waiting.
func (r *runner) Deliver(i *incident.Incident, report func(incident.State, string)) {
	select {
	case r.toRunC <- toRun{i, report}:
	default:
		report(incident.Failed, "too many incidents wait for the command")
	}
}

// run runs what is queued until ctx ends, which kills what runs then.
func (r *runner) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for range maxRuns {
		g.Go(func() error {
			for {
				select {
				case t := <-r.toRunC:
					if state, detail := r.once(ctx, t.incident); ctx.Err() == nil {
						t.report(state, detail)
					}
				case <-ctx.Done():
					return nil
				}
			}
		})
	}
	return g.Wait()
}

// once runs the command for one incident.
func (r *runner) once(ctx context.Context, i *incident.Incident) (incident.State, string) {
	e := r.command.Load()
	if len(e.Command) == 0 {
		return incident.Failed, "exec.command is set no more"
	}
	input, err := json.Marshal(onRecord(r.ledger, *i))
	if err != nil {
		return incident.Failed, err.Error()
	}
	said, err := pbx.Hook{Command: e.Command, Timeout: e.Within}.Run(ctx, input, "")
	switch {
	case err != nil:
		return incident.Failed, err.Error()
	case said == "":
		return incident.Done, "ended well"
	}
	return incident.Done, fmt.Sprintf("ended well and said %s", said)
}

var _ journal.Receiver = (*runner)(nil)
