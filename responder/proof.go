package responder

import (
	"fmt"
	"slices"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// weigh looks again at a source whose ban rests on what can be forged: proof
// makes it a ban like any other, and one more failure after its end brings it
// back. The caller holds the lock.
func (r *Responder) weigh(o *score.Observation) {
	if o.Signal == score.SuccessfulAuth {
		return
	}
	prefix := event.SourcePrefix(o.Source)
	if ban, ok := r.book.exact(o.At, prefix); ok {
		if ban.Claimed() && o.Proof == score.Proven {
			if v := r.again(o, ban); v != nil && v.Proven {
				r.promote(v, ban)
			}
		}
		return
	}
	if ban, ok := r.book.paroled(o.At, prefix); ok {
		r.renew(o, ban)
	}
}

// sameOffence says whether a verdict is the proof of what a claimed ban was for.
func sameOffence(v *score.Verdict, f facts) bool {
	return v.Key.Per != score.PerAccount && v.Proven && f.banned != nil && f.banned.Claimed() && f.banned.Prefix == f.target && f.banned.Origin == v.Threshold.Name
}

// promote makes a claimed ban a proven one: of the same incident.
func (r *Responder) promote(v *score.Verdict, was Ban) {
	ban := banFor(v, r.policy.Ladder, r.facts(v))
	ban.Incident, ban.step = was.Incident, was.step
	if ban.step == stepUnknown {
		ban.step = slices.Index(r.policy.Playbooks[v.Threshold.Playbook], StepBan)
	}
	r.book.put(ban)
	r.offences.add(ban.Since, ban.Prefix)
	if ban.Observed {
		return
	}
	r.parts.Ledger.AddOffence(ban.Prefix, ban.Since)
	r.parts.Ledger.PutBan(ledgerBan(ban))
	r.counters.Proved++
	if !r.lane.push(order{ban: ban, done: func(err error) { r.promoted(ban, err) }}) {
		r.counters.LaneFull++
	}
}

// promoted records what became of the ban in the kernel.
func (r *Responder) promoted(ban Ban, err error) {
	s := Step{Kind: StepBan, Target: PrefixString(ban.Prefix), State: Done, Detail: untilString(ban) + ": the source has proved to be one", ban: ban}
	if err != nil {
		s.State, s.Detail = Failed, err.Error()+"; tried again every second"
	}
	i := &Incident{ID: ban.Incident, At: ban.Since}
	if ban.step != stepUnknown {
		i.Steps = make([]Step, ban.step+1)
		i.Steps[ban.step] = s
		r.parts.Ledger.PutStep(i.ID, ban.step, i.At, ledgerStep(i.Steps[ban.step]))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logStep(i, s)
	if err == nil {
		r.herald(ban, Banned)
	}
}

// renew brings back a claimed ban that ended a short time ago. It is an
// incident of its own, so that the operator sees it go on.
func (r *Responder) renew(o *score.Observation, was Ban) {
	if v := r.again(o, was); v != nil {
		v.Reason = fmt.Sprintf("goes on after its ban: %s", was.Reason)
		r.answer(v)
	}
}

// again is a verdict like the one that brought a ban about, on the evidence as
// it stands; nil when the observation counts nothing for its threshold.
func (r *Responder) again(o *score.Observation, was Ban) *score.Verdict {
	t := r.thresholdOf(was.Origin)
	if t == nil || t.Per != score.PerSource || t.Points[o.Signal] == 0 {
		return nil
	}
	key := score.Key{Per: score.PerSource, Prefix: was.Prefix}
	evidence := r.table.Evidence(key)
	if len(evidence) == 0 {
		return nil
	}
	v := &score.Verdict{
		At: o.At, Key: key, Threshold: t, Reason: was.Reason,
		Cause: evidence[len(evidence)-1], Evidence: evidence,
	}
	proven := 0
	for _, e := range evidence {
		if o.At.Sub(e.At) >= t.Within {
			continue
		}
		v.Score += t.Points[e.Signal]
		if e.Proof == score.Proven {
			proven += t.Points[e.Signal]
		}
	}
	v.Proven = o.Proof == score.Proven && proven >= t.Score
	return v
}

// thresholdOf is the threshold of that name; nil when the configuration has
// none any more.
func (r *Responder) thresholdOf(name string) *score.Threshold {
	for i := range r.policy.Thresholds {
		if t := &r.policy.Thresholds[i]; t.Name == name {
			return t
		}
	}
	return nil
}
