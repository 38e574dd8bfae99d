package responder

import (
	"context"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// This file goes with the Responder's own types, when those of package incident
// are used throughout.

// Shared is the ban in the types of package incident.
func (b Ban) Shared() incident.Ban {
	return incident.Ban{
		Prefix: b.Prefix, Since: b.Since, Until: b.Until, Scope: incident.Scope(b.Scope),
		Reason: b.Reason, Origin: b.Origin, Offence: b.Offence, Incident: b.Incident, Step: b.step, Observed: b.Observed,
	}
}

// SharedBans are bans in the types of package incident.
func SharedBans(bans []Ban) []incident.Ban {
	list := make([]incident.Ban, len(bans))
	for i, b := range bans {
		list[i] = b.Shared()
	}
	return list
}

// Shared is the incident in the types of package incident.
func (i *Incident) Shared() incident.Incident {
	shared := incident.Incident{
		ID: i.ID, At: i.At, Key: i.Key, Account: i.Account, Source: i.Source, Threshold: i.Threshold,
		Playbook: i.Playbook, Reason: i.Reason, Mode: incident.ModeOf(i.Observed),
	}
	for _, s := range i.Steps {
		shared.Steps = append(shared.Steps, ledgerStep(s))
	}
	for _, e := range i.Evidence {
		shared.Evidence = append(shared.Evidence, incident.Evidence{Record: e})
	}
	return shared
}

func ledgerBan(b Ban) incident.Ban { return b.Shared() }

func ledgerStep(s Step) incident.Step {
	return incident.Step{
		Step: incident.StepKind(s.Kind), Target: s.Target, State: incident.State(s.State), Detail: s.Detail, Took: incident.Elapsed(s.Took),
	}
}

// ledgerIncident is an incident with what its evidence was read from.
func (r *Responder) ledgerIncident(i *Incident) *incident.Incident {
	shared := i.Shared()
	for n, text := range r.table.Raws(i.Evidence) {
		raw := masked(text)
		if len(text) == score.MaxRaw {
			raw += "\r\n(cut off here)"
		}
		shared.Evidence[n].Raw = incident.Raw(raw)
	}
	return &shared
}

func rememberedBan(b incident.Ban) Ban {
	return Ban{
		Prefix: b.Prefix, Since: b.Since, Until: b.Until,
		Reason: b.Reason, Origin: b.Origin, Offence: b.Offence, Incident: b.Incident, Scope: Scope(b.Scope),
		step: stepUnknown,
	}
}

// remembered is an incident as the ledger has it.
func remembered(row *incident.Incident) *Incident {
	i := &Incident{
		ID: row.ID, At: row.At, Threshold: row.Threshold, Playbook: row.Playbook, Reason: row.Reason,
		Account: row.Account, Source: row.Source, Key: row.Key,
	}
	for _, s := range row.Steps {
		i.Steps = append(i.Steps, Step{Kind: StepKind(s.Step), Target: s.Target, State: State(s.State), Detail: s.Detail, Took: time.Duration(s.Took)})
	}
	for _, e := range row.Evidence {
		i.Evidence = append(i.Evidence, e.Record)
	}
	return i
}

// recallHolds takes over what is taken from accounts.
func (r *Responder) recallHolds(ctx context.Context, now time.Time) {
	holds, err := r.parts.Ledger.Holds(ctx)
	r.doubt(err, "the locks and the restrictions")
	for _, h := range holds {
		switch h.Kind {
		case incident.HoldLock:
			r.locked[h.Account] = h.Value
		case incident.HoldRestriction:
			r.recallRestricted(now, h)
		}
	}
}
