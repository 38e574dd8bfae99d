package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ongoing"
	"github.com/tollwarden/tollwarden/responder/score"
)

// join adds a verdict to an incident under way. Its urgent steps come first.
func (j *Judge) join(u *ongoing.Incident, v *score.Verdict, sign *calls.Sign, plan []incident.Step) {
	i, first := u.Incident, j.ongoing.Join(u, v, sign, plan)
	j.flood.Joined(i)
	j.counters.Joined++
	j.carry(i, first, v, func() { j.effects.Join(i, first, func() { j.record(u) }) })
}

// joinFlood adds a verdict to the incident that addresses which may be spoofed share. It
// reports false if there is none now.
func (j *Judge) joinFlood(v *score.Verdict, steps []incident.Step) bool {
	t, ok := j.flood.Take(v, steps, j.modeOf(v), j.Bans.Full())
	if !ok {
		return false
	}
	j.counters.Joined++
	switch i := t.Incident.Incident; {
	case t.Listed:
		j.carry(i, t.Step, v, func() { j.effects.Join(i, t.Step, func() { j.record(t.Incident); j.flood.Number(i) }) })
	case t.Ban != nil:
		j.enforce(*t.Ban)
		j.effects.Prolong(*t.Ban)
	}
	return true
}

// prolonged puts a ban in force that follows another one of the same address: that is no
// incident of its own. For a day it goes on with that of the ban before it.
func (j *Judge) prolonged(v *score.Verdict, steps []incident.Step) (ok bool) {
	ban := ongoing.BanOf(steps)
	if ban == nil {
		return false
	}
	was, ok := j.Bans.Renewable(v.At, ban.Prefix)
	began := was.Began
	if began.IsZero() {
		began = was.Since
	}
	if !ok || was.Incident == 0 || j.flood.Shares(was) || was.Observed != ban.Observed || v.At.Sub(began) >= ongoing.GoesOnFor {
		return false
	}
	ban.Incident, ban.Step, ban.Began = was.Incident, was.Step, began
	j.counters.Joined++
	j.enforce(*ban)
	j.effects.Prolong(*ban)
	return true
}

// record completes an incident whose urgent steps are under way, or what joined it.
func (j *Judge) record(u *ongoing.Incident) {
	i := u.Incident
	step, aboutCalls, ok := j.ongoing.Record(u)
	if !ok {
		return
	}
	for _, s := range i.Steps[step:] {
		if s.Ban.Prefix.IsValid() && !s.Ban.Observed {
			j.Bans.Put(s.Ban) // with the incident's number
		}
	}
	j.Partial.Recorded(i, u.Crossed())
	j.limits.record(i)
	if aboutCalls {
		j.Gate.CallsOf(u.Last(), i, contain.Since(i))
	}
}

// joinContained joins what a person reports to the incident that contains the account. It adds
// the steps that the incident lacks, or all of them if the account is used from a new address
// again. It returns in words what is done.
func (j *Judge) joinContained(u *ongoing.Incident, v *score.Verdict, plan []incident.Step, again bool) (detail string) {
	i := u.Incident
	missing := slices.DeleteFunc(plan, func(s incident.Step) bool {
		return s.Informs() || s.State == incident.Skipped || !again && slices.ContainsFunc(i.Steps, func(has incident.Step) bool {
			return has.Step == s.Step && has.Target == s.Target && (has.State == incident.Done || has.State == incident.Intended)
		})
	})
	since := incident.TimeText(u.Contained)
	detail = fmt.Sprintf("this joins incident %d, which has treated %s as compromised since %s", i.ID, v.Key.Account, since)
	if len(missing) == 0 {
		return detail + fmt.Sprintf(": nothing is done again; %s changes the password once more, %s ends new calls", incident.AccountCommand("rotate", v.Key.Account, "--expire"), incident.AccountCommand("hangup", v.Key.Account))
	}
	if len(i.Steps) >= ongoing.MaxSteps {
		j.openNew(v, nil, missing, incident.Enforce)
		return ""
	}
	j.join(u, v, nil, missing)
	return detail + ": what is missing is being done"
}

// RestorePartial takes over a partial block that the kernel has kept, and has its incident
// named by the next one about the address. The conversations in live pass at an address that
// is throttled or closed.
func (j *Judge) RestorePartial(now time.Time, b incident.PartialBlock, live []netip.AddrPort) {
	j.ongoing.RestoreListing(now, b)
	j.Partial.Restore(now, b, live)
}
