package judge

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// observe scores one observation and answers the thresholds it crosses. sign is
// what the observation was made of, when it is about calls.
func (j *Judge) observe(o *score.Observation, sign *calls.Sign) {
	for _, v := range j.table.Observe(o) {
		j.count(&v)
		j.explain(&v)
		j.answer(&v, sign)
	}
}

func (j *Judge) count(v *score.Verdict) {
	j.counters.Verdicts++
	j.meters.verdict(v.Threshold.Name)
}

// answer plans what a verdict asks for and has it carried out.
func (j *Judge) answer(v *score.Verdict, sign *calls.Sign) {
	f := j.facts(v, sign, j.Places.Narrow(decide.TargetOf(v), v))
	if decide.SameOffence(v, f) && f.Healthy == 0 {
		j.promote(v, *f.Banned)
		return
	}
	j.carryOut(v, sign, f)
}

// carryOut plans the steps of a verdict and opens an incident, unless there is
// nothing new to do or to tell.
func (j *Judge) carryOut(v *score.Verdict, sign *calls.Sign, f decide.Facts) {
	steps := decide.Plan(v, j.policy.Playbooks[v.Threshold.Playbook], j.policy.Ladder, f)
	widening := decide.Widened(v, steps, f)
	j.widened(v, widening, f)
	if why, goesOn := decide.GoesOn(steps, f); goesOn {
		j.goesOn(decide.Attack{Key: v.Key, Threshold: v.Threshold.Name, Last: v.At, Reason: why, Advice: decide.Remedy(f)})
	}
	switch {
	case decide.NothingNew(steps, f):
		j.counters.Suppressed++
	case f.Flow != nil && decide.OnlyFlow(steps) && !j.dedup.FirstFlow(v):
		j.counters.Suppressed++
		for _, flow := range j.dropFlows(v, steps) {
			j.effects.DropFlow(flow, j.policy.Ladder.Brief())
		}
	case f.Flow == nil && decide.OnlyInforms(steps) && !j.dedup.First(v, widening):
		j.counters.Suppressed++
	default:
		j.open(v, sign, steps)
	}
}

// open opens an incident. What cannot wait is carried out before anything is
// recorded.
func (j *Judge) open(v *score.Verdict, sign *calls.Sign, steps []incident.Step) {
	i := &incident.Incident{
		At: v.At, Key: v.Key,
		Threshold: v.Threshold.Name, Playbook: v.Threshold.Playbook, Reason: v.Reason,
		Mode: incident.ModeOf(j.policy.Observe), Account: decide.AccountOf(v), Source: v.Cause.Source, Steps: steps,
	}
	if sign != nil {
		i.Reason += "; " + sign.Detail
	}
	for _, s := range steps {
		if s.Ban.Prefix.IsValid() {
			j.enforce(s.Ban)
		}
	}
	if decide.Compromised(steps) {
		j.Places.Betrayed(i.Account)
	}
	j.dropFlows(v, steps)
	j.counters.Incidents++
	j.effects.Begin(i, func() { j.record(v, i) })
}

// enforce enters a new ban into the registry, and counts it.
func (j *Judge) enforce(ban incident.Ban) {
	j.makeRoom(ban)
	j.Bans.Put(ban)
	if ban.Offence > 0 {
		j.Offences.Add(ban.Since, ban.Prefix)
	}
	if ban.Repeat > 0 {
		j.Repeats.Set(ban.Prefix, ban.Repeat, ban.Since)
	}
	if !ban.Spoofable() {
		return
	}
	j.counters.Spoofable++
	if ban.Repeat > 1 {
		j.counters.Repeated++
	}
}

// record completes an incident whose urgent steps are under way.
func (j *Judge) record(v *score.Verdict, i *incident.Incident) {
	i.Evidence = j.evidence(v)
	j.effects.Record(i)
	for _, s := range i.Steps {
		if s.Ban.Prefix.IsValid() && !s.Ban.Observed {
			j.Bans.Put(s.Ban) // with the incident's number
		}
	}
	j.recordPartial(i)
	if contain.AboutCalls(i) {
		j.recordCalls(i, contain.Since(i))
	}
}

// dropFlows are the flows that a plan drops.
func (j *Judge) dropFlows(v *score.Verdict, steps []incident.Step) (flows []incident.Flow) {
	for _, s := range steps {
		if s.State == incident.Intended && s.Flow.At.IsValid() {
			j.flows.Add(v)
			j.blockFlow(v, s.Flow)
			j.counters.Flows++
			flows = append(flows, s.Flow)
		}
	}
	return flows
}

// evidence is what a verdict rests on, with what it was read from as far as that
// is still known; that of a break-in begins with the failures that made its
// success one.
func (j *Judge) evidence(v *score.Verdict) []incident.Evidence {
	records := v.Evidence
	if v.Cause.Signal == score.SuccessAfterFailures {
		records = append(j.breakIn.Failures(v.Key.Account), records...)
	}
	list := make([]incident.Evidence, len(records))
	for n, r := range records {
		list[n].Record = r
	}
	for n, text := range j.table.RawTexts(records) {
		raw := incident.Redact(text)
		if len(text) == score.MaxRaw {
			raw += "\r\n(cut off here)"
		}
		list[n].Raw = incident.Raw(raw)
	}
	return list
}

// facts is what a plan must know to ban a target.
func (j *Judge) facts(v *score.Verdict, sign *calls.Sign, target netip.Prefix) decide.Facts {
	f := decide.Facts{
		Target: target, Observe: j.policy.Observe,
		NoReceiver: j.policy.NoReceiver, Command: j.policy.Command, DropsFlows: j.policy.DropsFlows, AboutCall: sign != nil,
	}
	if sign != nil {
		f.Channel = sign.Channel
		if j.Places.Home(v.At, sign.Account, v.Cause.Source) {
			f.Home = "IP address that " + sign.Account + " has long used: calls are ended, but the address is not blocked"
		}
	}
	if slices.Contains(j.policy.Playbooks[v.Threshold.Playbook], incident.StepRestrict) {
		f.Networks, f.Unlimited = j.restriction(v)
	}
	if !f.Target.IsValid() {
		return f
	}
	f.Sharing = j.Places.Sharing(v.Cause.Account, netip.AddrPortFrom(v.Cause.Source, v.Cause.Port))
	f.Full = j.Bans.Full()
	f.Allowed = j.Places.Allowed(f.Target)
	f.Protected = j.Places.Why(f.Target)
	carrier := j.Places.Carrier(f.Target)
	f.Throttles, f.Closes = j.policy.Throttles && !carrier, j.policy.DropsFlows && !carrier
	j.spare(v, &f)
	f.Offences = j.Offences.Count(v.At, f.Target)
	f.Repeats = j.Repeats.Count(v.At, f.Target)
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
	slices.SortFunc(to, netip.Prefix.Compare)
	to = slices.Compact(to)
	if why = j.Contain.Restrictions.Objection(v, account, longKnown, to); why != "" {
		return nil, why
	}
	return to, ""
}

// weigh looks again at an address whose ban rests on spoofable evidence: proof
// makes it a ban like any other, and one more failure after its end brings it
// back.
func (j *Judge) weigh(o *score.Observation) {
	if o.Signal == score.SuccessfulAuth {
		return
	}
	prefix := event.SourcePrefix(o.Source)
	if ban, ok := j.Bans.Exact(o.At, prefix); ok {
		if ban.Spoofable() && o.Proof == score.Proven {
			if v := j.again(o, ban); v != nil && v.Proven {
				j.promote(v, ban)
			}
		}
		return
	}
	if ban, ok := j.Bans.Renewable(o.At, prefix); ok {
		if v := j.again(o, ban); v != nil {
			v.Reason = renewedReason(ban.Reason)
			j.count(v)
			j.answer(v, nil)
		}
	}
}

// continues begins the reason of a ban that was brought back.
const continues = "continues after its ban: "

func renewedReason(was string) string { return continues + strings.TrimPrefix(was, continues) }

// promote makes a ban on spoofable evidence a proven one: of the same incident.
func (j *Judge) promote(v *score.Verdict, was incident.Ban) {
	f := j.facts(v, nil, was.Prefix)
	if f.Healthy > 0 {
		return // others live there: it stays a short one
	}
	ban := decide.BanFor(v, j.policy.Ladder, f)
	ban.Incident, ban.Step = was.Incident, was.Step
	ban.Step = j.stepOf(ban)
	j.Bans.Put(ban)
	j.Offences.Add(ban.Since, ban.Prefix)
	if !ban.Observed {
		j.counters.Confirmed++
		j.effects.Promote(ban)
	}
}

// again is a verdict like the one that brought a ban about, on the evidence as
// it stands; nil when the observation counts nothing for its threshold.
func (j *Judge) again(o *score.Observation, was incident.Ban) *score.Verdict {
	t := j.thresholdOf(was.Origin)
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
	v.Proven = o.Proof == score.Proven && proven >= t.Score
	return v
}
