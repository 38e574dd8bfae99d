package responder

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// learned keeps a place where an account is at home.
func (r *Responder) learned(p score.Place) {
	r.parts.Ledger.PutPlace(ledger.Place{Account: p.Account, Prefix: p.Source, LastSuccess: p.At})
}

// record gives a new incident its number and keeps it, its steps as intended.
// The caller holds the lock.
func (r *Responder) record(i *Incident) {
	i.ID = r.parts.Ledger.PutIncident(r.ledgerIncident(i))
	for n := range i.Steps {
		s := &i.Steps[n]
		if !s.ban.Prefix.IsValid() || s.ban.Observed {
			continue
		}
		s.ban.Incident, s.ban.step = i.ID, n
		r.book.put(s.ban)
		if s.ban.Offence > 0 {
			r.parts.Ledger.AddOffence(s.ban.Prefix, s.ban.Since)
		}
		r.parts.Ledger.PutBan(ledgerBan(s.ban))
	}
	r.noteCalls(i)
	r.log.Warn().Int64("incident", i.ID).Str("threshold", i.Threshold).Str(i.Key.Per.String(), i.Key.String()).
		Str("reason", i.Reason).Bool("observed", i.Observed).Msg("threshold crossed")
	for _, s := range i.Steps {
		if s.State == Skipped {
			r.meters.step(&s)
			r.logStep(i, s)
		}
	}
	r.show(i)
}

// report records the outcome of a step.
func (r *Responder) report(i *Incident, n int, state State, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle(i, n, state, detail)
}

// settle is report for a caller that holds the lock.
func (r *Responder) settle(i *Incident, n int, state State, detail string) {
	s := &i.Steps[n]
	s.State, s.Detail, s.Took = state, detail, time.Since(i.At)
	if state != Intended {
		r.meters.step(s)
	}
	r.parts.Ledger.PutStep(i.ID, n, i.At, ledgerStep(*s))
	r.logStep(i, *s)
	r.show(i)
	r.tellIfRipe(i)
}

func (r *Responder) logStep(i *Incident, s Step) {
	event := r.log.Info()
	if s.State == Failed {
		event = r.log.Error()
	}
	event.Int64("incident", i.ID).Str("step", string(s.Kind)).Str("target", s.Target).
		Str("state", string(s.State)).Str("detail", s.Detail).Dur("took_ms", s.Took).Msg("step")
}

func (r *Responder) show(i *Incident) {
	if r.parts.Witness != nil {
		r.parts.Witness(i.clone())
	}
}

// herald tells the witness of a ban.
func (r *Responder) herald(b Ban, change BanChange) {
	if r.parts.BanWitness != nil {
		r.parts.BanWitness(b, change)
	}
}
