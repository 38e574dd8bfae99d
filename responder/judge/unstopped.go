package judge

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// goesOn records that nothing was done about a crossed threshold.
func (j *Judge) goesOn(a decide.Attack) {
	if j.unstopped.Crossed(a) {
		j.counters.Unstopped++
	}
}

// Settled records that step n of an incident has its outcome. If every step failed or
// was skipped, the attack may go on.
func (j *Judge) Settled(now time.Time, i *incident.Incident, n int) {
	switch s := &i.Steps[n]; {
	case s.State == incident.Done && !s.Informs():
		j.unstopped.Stopped(i.Key)
		return
	case s.State != incident.Failed || i.Mode != incident.Enforce:
		return
	}
	for _, s := range i.Steps {
		if s.State == incident.Intended && !s.Informs() {
			return // it may still come to something
		}
	}
	if why, idle := decide.Idle(i.Steps); idle {
		j.goesOn(decide.Attack{Key: i.Key, Threshold: i.Threshold, Last: now, Reason: why, Advice: "`tollwarden incidents` says what to do by hand"})
	}
}

// Unstopped are the attacks that go on now because every step of their playbook was
// skipped or failed, those first that have done so for longest.
func (j *Judge) Unstopped(now time.Time) (list []decide.Attack) {
	for _, a := range j.unstopped.List(now) {
		if _, banned := j.Bans.Covering(now, a.Key.Prefix); a.Key.Per == score.PerAccount || !banned {
			list = append(list, a)
		}
	}
	return list
}
