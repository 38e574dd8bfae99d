// Package journal keeps the record of incidents: what was decided, what came of
// each step, and who outside is to be informed. Steps are recorded as intended
// before they are tried, and with their outcome after it was checked, so that a
// crash leaves nothing unsaid.
//
// A Journal has no lock: its owner calls it from one goroutine at a time.
package journal

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Ledger keeps what happened on disk. None of the calls waits.
type Ledger interface {
	// PutIncident records an incident and returns its number.
	PutIncident(i *incident.Incident) int64
	// ExtendIncident records what is new of an incident: its fields, its steps from
	// number step on, and more evidence.
	ExtendIncident(i *incident.Incident, step int, more []incident.Evidence)
	PutStep(id int64, n int, started time.Time, s incident.Step)
	// PutStepOf records the outcome of an incident's step of that kind and target, whose
	// number is unknown.
	PutStepOf(id int64, s incident.Step)
}

// Journal is the record of incidents.
type Journal struct {
	o         Options
	meters    meters
	pending   map[*incident.Incident]*pending // what receivers wait for
	messagesC chan message
}

// Options are what a Journal works with.
type Options struct {
	Ledger Ledger
	Log    zerolog.Logger
	Since  time.Time // what happened before was learnt from the log, and its drops are not timed
	// Notifier and Exec may be nil: then no step that is for them is intended.
	Notifier, Exec Receiver
	// Report is called from any goroutine with what came of a delivery; it ends in
	// Settle.
	Report func(i *incident.Incident, n int, state incident.State, detail string)
	// OnIncident, unless it is nil, gets a copy of each incident as it opens and
	// after every change of a step. It must not block.
	OnIncident func(incident.Incident)
}

// New makes a Journal.
func New(o Options) *Journal {
	return &Journal{o: o, meters: newMeters(), pending: map[*incident.Incident]*pending{}, messagesC: make(chan message, maxPending)}
}

// Record gives a new incident its number and keeps it, its steps as intended.
func (j *Journal) Record(i *incident.Incident) {
	i.ID = j.o.Ledger.PutIncident(i)
	j.o.Log.Warn().Int64("incident", i.ID).Str("threshold", i.Threshold).Str(i.Key.Kind(), i.Key.Value()).
		Str("reason", i.Reason).Bool("observed", i.Mode != incident.Enforce).Msg("threshold crossed")
	j.recordSteps(i, 0)
}

// Extend keeps what is new of an incident: its reason, its steps from number step on, as
// intended, and more evidence.
func (j *Journal) Extend(i *incident.Incident, step int, more []incident.Evidence) {
	j.o.Ledger.ExtendIncident(i, step, more)
	level := zerolog.WarnLevel
	if i.Shared() || step == len(i.Steps) {
		level = zerolog.DebugLevel // a flood, whose steps name the addresses, or more guesses
	}
	j.o.Log.WithLevel(level).Int64("incident", i.ID).Str("threshold", i.Threshold).Str(i.Key.Kind(), i.Key.Value()).
		Str("reason", i.Reason).Msg("an incident goes on")
	j.recordSteps(i, step)
}

// Amend keeps the fields of an incident, such as its reason, after a change.
func (j *Journal) Amend(i *incident.Incident) {
	j.o.Ledger.ExtendIncident(i, len(i.Steps), nil)
	j.o.Log.Info().Int64("incident", i.ID).Str("reason", i.Reason).Msg("an incident goes on")
	j.show(i)
}

// recordSteps counts and logs the steps from number n on that have their outcome.
func (j *Journal) recordSteps(i *incident.Incident, n int) {
	for _, s := range i.Steps[n:] {
		if s.State != incident.Intended {
			j.meters.step(&s)
			j.logStep(i.ID, s)
		}
	}
	j.show(i)
}

// Settle records the outcome of step n, and hands the incident to its receivers
// when nothing but that is left to do.
func (j *Journal) Settle(now time.Time, i *incident.Incident, n int, state incident.State, detail string) {
	s := &i.Steps[n]
	s.State, s.Detail, s.Took = state, detail, incident.Elapsed(now.Sub(i.Started(n)))
	if state != incident.Intended {
		j.meters.step(s)
	}
	j.o.Ledger.PutStep(i.ID, n, i.Started(n), *s)
	j.logStep(i.ID, *s)
	j.show(i)
	j.deliverIfReady(now, i)
}

// Promoted records the outcome of a ban's promotion to a proven one, in the step
// of the incident that the ban is of.
func (j *Journal) Promoted(now time.Time, ban incident.Ban, err error) {
	s := incident.Step{
		Step: incident.StepBan, Target: incident.PrefixText(ban.Prefix), State: incident.Done,
		Detail: ban.UntilText() + ": the address is confirmed", Took: incident.Elapsed(now.Sub(ban.Since)),
	}
	if err != nil {
		s.State, s.Detail = incident.Failed, retryText(err)
	}
	j.banStep(ban, s)
}

// Prolonged records that a ban began anew: its address went on after the last one.
func (j *Journal) Prolonged(now time.Time, ban incident.Ban, err error) {
	s := incident.Step{
		Step: incident.StepBan, Target: incident.PrefixText(ban.Prefix), State: incident.Done,
		Detail: ban.UntilText(), Took: incident.Elapsed(now.Sub(ban.Since)),
	}
	if err != nil {
		s.State, s.Detail = incident.Failed, retryText(err)
	}
	j.banStep(ban, s)
}

// Noted records in the step of a ban that its address is still heard, or no longer.
func (j *Journal) Noted(ban incident.Ban, s incident.Step) {
	j.banStep(ban, s)
}

// Amended records what became of a step of an incident later, found by its kind and target.
func (j *Journal) Amended(id int64, s incident.Step) {
	j.o.Ledger.PutStepOf(id, s)
	j.logStep(id, s)
}

// banStep records the outcome of a ban in its step, if its incident lists it.
func (j *Journal) banStep(ban incident.Ban, s incident.Step) {
	switch {
	case ban.Step == incident.StepUnlisted && s.State != incident.Failed:
		return
	case ban.Incident == 0 || ban.Step == incident.StepUnlisted:
	case ban.Step == incident.StepUnknown:
		j.o.Ledger.PutStepOf(ban.Incident, s)
	default:
		j.o.Ledger.PutStep(ban.Incident, ban.Step, ban.Since, s)
	}
	j.logStep(ban.Incident, s)
}

// Dropped records whether the kernel took the ban of step n.
func (j *Journal) Dropped(now time.Time, i *incident.Incident, n int, err error) {
	if err != nil {
		j.Settle(now, i, n, incident.Failed, retryText(err))
		return
	}
	if at := i.Started(n); !at.Before(j.o.Since) {
		j.meters.dropped(now.Sub(at))
	}
	j.Settle(now, i, n, incident.Done, i.Steps[n].Ban.UntilText())
}

// retryText says why the kernel did not take a ban.
func retryText(err error) string { return err.Error() + "; will retry every second" }

func (j *Journal) logStep(id int64, s incident.Step) {
	event := j.o.Log.Info()
	if s.State == incident.Failed {
		event = j.o.Log.Error()
	}
	event.Int64("incident", id).Str("step", string(s.Step)).Str("target", s.Target).
		Str("state", string(s.State)).Str("detail", s.Detail).Dur("took_ms", time.Duration(s.Took)).Msg("step")
}

func (j *Journal) show(i *incident.Incident) {
	if j.o.OnIncident != nil {
		j.o.OnIncident(i.Clone())
	}
}
