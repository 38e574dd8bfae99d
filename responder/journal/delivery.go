package journal

import (
	"context"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// outcomeWithin is how long receivers wait for the outcome of what is done about
// an incident. A ban that the kernel does not take has none for as long.
const outcomeWithin = time.Minute

// maxPending bounds the incidents that wait for their outcome, and the messages
// that wait for their receiver.
const maxPending = 4096

// Receiver passes incidents on to somebody outside.
type Receiver interface {
	// Deliver queues one incident, which is the Receiver's from then on, and does
	// not wait. report is called from any goroutine with what came of it: Intended
	// any number of times, then Done or Failed once, unless the Receiver ends
	// before.
	Deliver(i *incident.Incident, report func(state incident.State, detail string))
}

// message is one incident for a receiver.
type message struct {
	to       Receiver
	incident *incident.Incident // as it stood
	report   func(state incident.State, detail string)
}

// pending is an incident that receivers wait for.
type pending struct {
	first int // number of the first step that was not handed to a receiver before
	jobs  int // workers that still deal with the incident
}

// Expect has an incident delivered by its steps notify and exec, of those from number
// step on, as soon as everything else about it has its outcome. working says that a
// worker deals with it until Finished. An incident that receivers already wait for is
// delivered once, with everything that has joined it by then.
func (j *Journal) Expect(now time.Time, i *incident.Incident, step int, working bool) {
	p := j.pending[i]
	for n := step; n < len(i.Steps) && p == nil; n++ {
		if s := &i.Steps[n]; s.Informs() && s.State == incident.Intended {
			p = &pending{first: step}
			j.pending[i] = p
		}
	}
	if p == nil {
		return
	}
	if working {
		p.jobs++
	}
	j.deliverIfReady(now, i)
}

// Undelivered says whether an incident still waits for its delivery, so that the message
// will hold what joins it now.
func (j *Journal) Undelivered(i *incident.Incident) bool { return j.pending[i] != nil }

// Finished says that a worker is done with an incident.
func (j *Journal) Finished(now time.Time, i *incident.Incident) {
	if p := j.pending[i]; p != nil {
		p.jobs = max(0, p.jobs-1)
		j.deliverIfReady(now, i)
	}
}

// deliverIfReady delivers an incident when nothing but that is left to do.
func (j *Journal) deliverIfReady(now time.Time, i *incident.Incident) {
	if p := j.pending[i]; p == nil || p.jobs > 0 {
		return
	}
	for n := range i.Steps {
		if s := &i.Steps[n]; s.State == incident.Intended && !s.Informs() && len(j.pending) <= maxPending {
			return
		}
	}
	j.deliver(now, i)
}

// DeliverOverdue delivers incidents that have waited for their outcomes too long, whatever
// has joined them meanwhile.
func (j *Journal) DeliverOverdue(now time.Time) {
	for i, p := range j.pending {
		if now.Sub(i.Started(p.first)) >= outcomeWithin {
			j.deliver(now, i)
		}
	}
}

// deliver queues an incident as it stands for its receivers.
func (j *Journal) deliver(now time.Time, i *incident.Incident) {
	first := j.pending[i].first
	delete(j.pending, i)
	for n, s := range i.Steps {
		if n < first || !s.Informs() || s.State != incident.Intended {
			continue
		}
		as := i.Clone()
		m := message{to: j.o.Notifier, incident: &as, report: func(state incident.State, detail string) { j.o.Report(i, n, state, detail) }}
		if s.Step == incident.StepExec {
			m.to = j.o.Exec
		}
		select {
		case j.messagesC <- m:
		default:
			j.meters.refused++
			j.Settle(now, i, n, incident.Failed, "too many incidents are waiting for delivery")
		}
	}
}

// Run hands queued incidents to their receivers until ctx ends. Unlike the
// other methods it has a goroutine of its own.
func (j *Journal) Run(ctx context.Context) {
	for {
		select {
		case m := <-j.messagesC:
			m.to.Deliver(m.incident, m.report)
		case <-ctx.Done():
			return
		}
	}
}
