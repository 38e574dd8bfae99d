package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ongoing"
	"github.com/tollwarden/tollwarden/responder/score"
)

// observe scores one observation and answers the thresholds it crosses. sign is
// what the observation was made of, when it is about calls.
func (j *Judge) observe(o *score.Observation, sign *calls.Sign) {
	j.ongoing.Follow(o, j.siteMode(o.At))
	for _, v := range j.table.Observe(o) {
		j.count(&v)
		j.explain(&v)
		j.answer(&v, sign)
	}
	if j.missed.Len() > 0 {
		j.resumedBy(o.At, string(o.Account), o)
	}
}

func (j *Judge) count(v *score.Verdict) {
	j.counters.Verdicts++
	j.meters.verdict(v.Threshold.Name)
}

// answer plans what a verdict asks for and has it carried out.
func (j *Judge) answer(v *score.Verdict, sign *calls.Sign) {
	f := j.facts(v, sign, j.Places.Narrow(decide.TargetOf(v), v, j.phones.Vouching(v.At)))
	if decide.SameOffence(v, f) && f.Healthy == 0 && f.Vital == "" && !f.Paused && f.Observe == f.Banned.Observed {
		j.promote(v, *f.Banned)
		return
	}
	j.carryOut(v, sign, f)
}

// carryOut plans the steps of a verdict and opens an incident, unless there is
// nothing new to do or to report.
func (j *Judge) carryOut(v *score.Verdict, sign *calls.Sign, f decide.Facts) {
	steps := decide.Plan(v, j.policy.Playbooks[v.Threshold.Playbook], j.policy.Ladder, f)
	widening := decide.Widened(v, steps, f)
	j.Partial.Widen(v, widening, f)
	closes := widening == decide.Close && j.dedup.FirstClosing(v, f.Target)
	if closes {
		steps = decide.Inform(steps, f)
	}
	if why, goesOn := decide.GoesOn(steps, f); goesOn {
		j.goesOn(decide.Attack{Key: v.Key, Threshold: v.Threshold.Name, Last: v.At, Reason: why, Advice: decide.Remedy(f)})
	}
	j.limitCosts(v, steps, f)
	switch {
	case decide.NothingNew(steps, f):
		j.counters.Suppressed++
	case v.Cause.Signal == score.NewPlaceAfterFailures && decide.OnlyInforms(steps):
		j.openNewPlace(v, sign, steps)
	case f.Flow != nil && decide.OnlyFlow(steps) && !j.dedup.FirstFlow(v):
		j.counters.Suppressed++
		for _, flow := range j.Partial.DropFlows(v, steps) {
			j.effects.DropFlow(flow, j.policy.Ladder.Brief())
			if number := j.ongoing.Guesser(event.SourcePrefix(flow.At.Addr())); number != 0 {
				j.Partial.PartOf(flow, number)
			}
		}
	case (f.Flow == nil || f.Paused) && decide.OnlyInforms(steps) && !closes && !j.dedup.First(v, widening):
		j.counters.Suppressed++
	default:
		j.taken(v, steps, f)
		j.open(v, sign, steps)
	}
	if f.Paused {
		j.missed.Add(v)
	} else {
		j.missed.Forget(v.Key, v.Threshold.Name)
	}
}

// open opens an incident, or joins the one under way. What cannot wait is carried out
// before anything is recorded.
func (j *Judge) open(v *score.Verdict, sign *calls.Sign, steps []incident.Step) {
	spoofed := decide.Spoofed(v, steps)
	mode := j.modeOf(v)
	if u := j.ongoing.GoingOn(v, mode); u != nil {
		j.join(u, v, sign, steps)
		return
	}
	if spoofed && (j.prolonged(v, steps) || j.joinFlood(v, steps)) {
		return
	}
	if u := j.ongoing.Joinable(v, mode); u != nil && !spoofed {
		j.join(u, v, sign, steps)
		return
	}
	u := j.openNew(v, sign, steps, mode)
	if spoofed {
		j.flood.Opened(v, u, j.Bans.Full())
	}
}

// openNew opens an incident of its own.
func (j *Judge) openNew(v *score.Verdict, sign *calls.Sign, steps []incident.Step, mode incident.Mode) *ongoing.Incident {
	i := &incident.Incident{
		At: v.At, Key: v.Key,
		Threshold: v.Threshold.Name, Playbook: v.Threshold.Playbook, Reason: j.ongoing.Reason(v, sign),
		Mode: mode, Account: decide.AccountOf(v), Source: v.Cause.Source, Steps: steps,
	}
	if number := j.ongoing.Before(v); number != 0 {
		i.Reason += fmt.Sprintf("; incident %d lists what came before", number)
	}
	u := j.ongoing.Begin(v, i, decide.Spoofed(v, steps))
	j.counters.Incidents++
	j.carry(i, 0, v, func() { j.effects.Begin(i, func() { j.record(u) }) })
	return u
}

// carry puts the steps of an incident from number first on in force. urgent carries out
// at once what cannot wait.
func (j *Judge) carry(i *incident.Incident, first int, v *score.Verdict, urgent func()) {
	for _, s := range i.Steps[first:] {
		if s.Ban.Prefix.IsValid() {
			j.enforce(s.Ban)
		}
	}
	if i.Mode != incident.Paused {
		j.endProtection(v, i.Steps[first:], i)
	}
	j.Partial.DropFlows(v, i.Steps[first:])
	urgent()
}

// enforce enters a new ban into the registry, and counts it.
func (j *Judge) enforce(ban incident.Ban) {
	if ban.Observed && !j.observed(ban) {
		return
	}
	j.makeRoom(ban)
	j.resumption.interrupt(ban)
	j.Bans.Put(ban)
	offences, repeats := j.counted(ban)
	if ban.Offence > 0 {
		offences.Add(ban.Since, ban.Prefix)
	}
	if ban.Repeat > 0 {
		repeats.Set(ban.Prefix, ban.Repeat, ban.Since)
	}
	if !ban.Spoofable() {
		return
	}
	j.counters.Spoofable++
	if ban.Repeat > 1 {
		j.counters.Repeated++
	}
}

// facts is what a plan must know to ban a target.
func (j *Judge) facts(v *score.Verdict, sign *calls.Sign, target netip.Prefix) decide.Facts {
	f := decide.Facts{
		Target: target, Observe: j.observes(v),
		NoReceiver: j.policy.NoReceiver, Command: j.policy.Command, DropsFlows: j.policy.DropsFlows, AboutCall: sign != nil,
		Stopped: j.stopped(v), Paused: !j.observes(v) && j.pause.Active(v.At),
	}
	if sign != nil {
		f.Channel = sign.Channel
		if leg, left := j.Calls.Leg(sign.Channel); left {
			f.Costly = leg.Costs != ""
		} else if c, up := j.Calls.Channel(sign.Channel); up {
			f.Costly = j.Calls.Cost(sign.Account, c.Dialled) != ""
		}
		if j.Places.Home(v.At, sign.Account, v.Cause.Source) {
			f.OneNumber = j.oneNumber(v)
			f.Home = "IP address that " + sign.Account + " has long used: calls are ended, but the address is not blocked"
		}
	}
	if slices.Contains(j.policy.Playbooks[v.Threshold.Playbook], incident.StepRestrict) {
		f.Networks, f.Unlimited = j.restriction(v)
		f.Travels = j.travels(v)
	}
	if !f.Target.IsValid() {
		return f
	}
	f.Sharing = j.Places.Sharing(v.Cause.Account, netip.AddrPortFrom(v.Cause.Source, v.Cause.Port))
	f.Full = j.Bans.Full()
	f.Allowed = j.Places.Allowed(f.Target)
	f.Protected = j.Places.Why(f.Target)
	carrier := j.Places.Carrier(f.Target)
	f.Vital = j.Places.Vital(f.Target)
	f.Carrier = carrier && f.Vital != ""
	f.Throttles = j.Partial.Throttles() && (!carrier || v.Proven)
	f.Closes = j.policy.DropsFlows && !carrier && !j.Places.Relayed(f.Target)
	j.spare(v, &f)
	f.Offences = j.Offences.Count(v.At, f.Target) + j.wouldBe.offences.Count(v.At, f.Target)
	f.Repeats = max(j.Repeats.Count(v.At, f.Target), j.wouldBe.repeats.Count(v.At, f.Target))
	f.Near = j.Places.Near(v.At, f.Target.Addr())
	if ban, ok := j.Bans.Covering(v.At, f.Target); ok {
		f.Banned = &ban
	}
	return f
}

// restriction is what the account of a verdict can be restricted to, or why it
// is not.
func (j *Judge) restriction(v *score.Verdict) (to []netip.Prefix, why string) {
	account := decide.AccountOf(v)
	longKnown := j.Places.Homes(v.At, account)
	to = slices.Clone(longKnown)
	for _, p := range j.Places.Addresses(account, v.At) {
		to = append(to, event.NetworkPrefix(p.Source.Addr()))
	}
	to = append(to, j.Places.NamedNetworks()...)
	slices.SortFunc(to, netip.Prefix.Compare)
	to = slices.Compact(to)
	if why = j.Contain.Restrictions.Objection(v, account, longKnown, to); why != "" {
		return nil, why
	}
	return to, ""
}

// weigh looks again at an address whose ban rests on spoofable evidence. A confirmed failure
// makes it a ban like any other, and a failure after its end brings it back.
func (j *Judge) weigh(o *score.Observation) {
	if o.Signal == score.SuccessfulAuth {
		return
	}
	prefix := event.SourcePrefix(o.Source)
	if ban, ok := j.Bans.Exact(o.At, prefix); ok {
		if ban.Spoofable() && o.Proof == score.Proven && !j.pause.Active(o.At) && ban.Observed == j.policy.Observe {
			if v := j.again(o, ban); v != nil && v.Proven {
				j.promote(v, ban)
			}
		}
		if brief, resumed := j.resumption.from(o.At, prefix); resumed && ban.Scope == incident.ScopeSIP && o.Transport.Connected() {
			j.renewAfter(o, brief)
		}
		return
	}
	if ban, ok := j.Bans.Renewable(o.At, prefix); ok {
		j.renewAfter(o, ban)
	}
}

// renewAfter brings a ban back that has run out.
func (j *Judge) renewAfter(o *score.Observation, was incident.Ban) {
	if v := j.again(o, was); v != nil {
		v.Reason = renewedReason(was.Reason)
		j.count(v)
		j.answer(v, nil)
	}
}

func renewedReason(was string) string {
	return ongoing.Continues + strings.TrimPrefix(was, ongoing.Continues)
}

// promote makes a ban on spoofable evidence a proven one: of the same incident, unless
// that is shared with addresses that may be spoofed.
func (j *Judge) promote(v *score.Verdict, was incident.Ban) {
	f := j.facts(v, nil, was.Prefix)
	if f.Healthy > 0 || f.Vital != "" {
		return // others live there: it stays a short one
	}
	ban := decide.BanFor(v, j.policy.Ladder, f)
	if j.flood.Shares(was) {
		j.counters.Confirmed++
		j.open(v, nil, decide.Plan(v, j.policy.Playbooks[v.Threshold.Playbook], j.policy.Ladder, f))
		return
	}
	ban.Incident, ban.Step, ban.Began = was.Incident, was.Step, was.Began
	j.Bans.Put(ban)
	offences, _ := j.counted(ban)
	offences.Add(ban.Since, ban.Prefix)
	if !ban.Observed {
		j.counters.Confirmed++
		j.effects.Promote(ban)
	}
}

// again is a verdict like the one that brought a ban about, on the evidence as
// it stands; nil when the observation counts nothing for its threshold.
func (j *Judge) again(o *score.Observation, was incident.Ban) *score.Verdict {
	t := j.policy.thresholdOf(was.Origin)
	if t == nil || t.Per != score.PerSource || t.Points[o.Signal] == 0 {
		return nil
	}
	key := score.Key{Per: score.PerSource, Prefix: was.Prefix}
	evidence := j.table.Evidence(key)
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
	if was.Reason == ongoing.UnlistedReason {
		v.Reason = fmt.Sprintf("%s within %s", incident.Count(len(evidence), "failed attempt"), score.Span(t.Within))
	}
	v.Proven = o.Proof == score.Proven && proven >= t.Score
	return v
}
