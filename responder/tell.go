package responder

import (
	"context"
	"time"
)

// outcomeWithin is how long those outside wait for the outcome of what is done
// about an incident. A ban that the kernel does not take has none for as long.
const outcomeWithin = time.Minute

// untold are the incidents that somebody outside is to hear of, by notify or
// exec, as soon as everything else about them has its outcome. The value says
// whether the crew still works on it.
type untold map[*Incident]bool

// word is one incident for somebody outside.
type word struct {
	to       Teller
	incident *Incident // as it stood
	report   func(state State, detail string)
}

// toTell has an incident told when it is ripe. The caller holds the lock.
func (r *Responder) toTell(i *Incident, crew bool) {
	for n := range i.Steps {
		if s := &i.Steps[n]; s.tells() && s.State == Intended {
			r.untold[i] = crew
			r.tellIfRipe(i)
			return
		}
	}
}

// finished is what the crew calls when it is done with an incident.
func (r *Responder) finished(i *Incident) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.crewDone(i)
}

// crewDone is finished for a caller that holds the lock.
func (r *Responder) crewDone(i *Incident) {
	if _, waits := r.untold[i]; waits {
		r.untold[i] = false
		r.tellIfRipe(i)
	}
}

// tellIfRipe tells of an incident when nothing but that is left to do. The
// caller holds the lock.
func (r *Responder) tellIfRipe(i *Incident) {
	if crew, waits := r.untold[i]; !waits || crew {
		return
	}
	for n := range i.Steps {
		if s := &i.Steps[n]; s.State == Intended && !s.tells() && len(r.untold) <= maxJobs {
			return
		}
	}
	r.handOn(i)
}

// handOn gives an incident as it stands to those outside. The caller holds the
// lock, which they must not wait for.
func (r *Responder) handOn(i *Incident) {
	delete(r.untold, i)
	for n, s := range i.Steps {
		if !s.tells() || s.State != Intended {
			continue
		}
		as := i.clone()
		w := word{to: r.parts.Notifier, incident: &as, report: func(state State, detail string) { r.report(i, n, state, detail) }}
		if s.Kind == StepExec {
			w.to = r.parts.Exec
		}
		select {
		case r.wordsC <- w:
		default:
			r.counters.JobsRefused++
			r.settle(i, n, Failed, "too many incidents wait to be told")
		}
	}
}

// tellAnyway tells of incidents that have waited for their outcomes too long.
// The caller holds the lock.
func (r *Responder) tellAnyway(now time.Time) {
	for i := range r.untold {
		if now.Sub(i.At) >= outcomeWithin {
			r.handOn(i)
		}
	}
}

// speak hands words on. Those who take them do not make it wait.
func (r *Responder) speak(ctx context.Context) {
	for {
		select {
		case w := <-r.wordsC:
			w.to.Tell(w.incident, w.report)
		case <-ctx.Done():
			return
		}
	}
}
