package responder

import (
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// lookBack is how far before its first evidence an incident's calls begin.
const lookBack = time.Hour

// maxNoted bounds the calls of incidents whose end is waited for.
const maxNoted = 8192

// noteCalls records the calls that an incident is about: those of its account
// that ended lately and those that are up. What comes while the account is closed
// is added by sweepNew; noteEnd adds the ends. The caller holds the lock.
func (r *Responder) noteCalls(i *Incident) {
	if !i.aboutCalls() {
		return
	}
	since := i.At
	if len(i.Evidence) > 0 && i.Evidence[0].At.Before(since) {
		since = i.Evidence[0].At
	}
	number := []int64{i.ID}
	for _, c := range r.recent.Of(i.Account, since.Add(-lookBack)) {
		r.noteCall(number, c.Channel, c.At)
	}
	for _, c := range r.calls.Of(i.Account) {
		r.noteCall(number, c, time.Time{})
	}
}

// aboutCalls says whether what was done, or would have been, ends calls.
func (i *Incident) aboutCalls() bool {
	for _, s := range i.Steps {
		if (s.Kind == StepHangup || s.Kind == StepHangupCall) && i.Account != "" {
			return true
		}
	}
	return false
}

// noteCall records one call with its incidents. A channel without a number is a
// call to the account and costs nobody anything; "s" is Asterisk's word for none.
func (r *Responder) noteCall(incidents []int64, c calls.Channel, ended time.Time) {
	if c.Dialled == "" || c.Dialled == "s" {
		return
	}
	if ended.IsZero() && len(r.noted) < maxNoted {
		r.noted[c.Name] = append(r.noted[c.Name], incidents...)
	}
	for _, id := range incidents {
		r.parts.Ledger.PutCall(id, incident.Call{
			Channel: c.Name, Account: c.Account, Dialled: c.Dialled, Country: r.policy.Calls.Dialling.Read(c.Dialled).Country,
			Began: c.Since, Ended: ended, Answered: c.Answered,
		})
	}
}

// noteEnd records the end of a call with the incidents that it was noted for.
func (r *Responder) noteEnd(c calls.Channel, now time.Time) {
	incidents, noted := r.noted[c.Name]
	if !noted {
		return
	}
	delete(r.noted, c.Name)
	r.noteCall(incidents, c, now)
}
