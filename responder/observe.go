package responder

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// grace is how long after a change of secret by us the account's own places
// may fail with the old one: somebody has to carry the new one to the phone.
const grace = 7 * 24 * time.Hour

// judge scores one security event: a failure by itself, a success for what
// went before it. The caller holds the lock.
func (r *Responder) judge(now time.Time, e *event.Event) {
	if isOwn(e, r.policy.Username, r.own) {
		return
	}
	var o score.Observation
	failed := translate(now, e, &o)
	r.prove(now, e, &o)
	r.nameAccount(e, &o)
	r.loggedIn(now, e, &o)
	if !failed {
		return
	}
	counted, ok := r.attempts.Count(&o)
	if !ok || counted.Signal == score.ChallengeSent {
		return // the other half of an attempt already counted, or no failure at all
	}
	if r.besieged(&counted) {
		return
	}
	r.counters.Observations++
	r.meters.observed(counted.Proof)
	if counted.Signal.Failure() && r.graced(now, &counted) {
		r.counters.Graced++
		return
	}
	broken, brokenIn := r.breakIn.Observe(&counted)
	r.observe(&counted)
	if brokenIn {
		r.observe(&broken)
	}
	if !brokenIn && counted.Signal == score.SuccessfulAuth && counted.Proof == score.Proven && r.breakIn.Knows(string(counted.Account), counted.Source, now) {
		r.trust.succeeded(&counted, r.failedAt)
	}
	r.weigh(&counted)
}

// nameAccount finds the account where chan_sip's AccountID may be a dialled
// number instead: the challenge of an INVITE told who it was from; without
// such a challenge it was a REGISTER, and AccountID is its account.
func (r *Responder) nameAccount(e *event.Event, o *score.Observation) {
	switch e.AccountTrust() {
	case event.AccountURI:
		challenge := *o
		challenge.Account = e.AccountID
		r.challenges.Remember(&challenge)
	case event.AccountOrNumber:
		o.Account = e.AccountID
		if user, ok := r.challenges.From(o.Source, o.Session); ok {
			o.Account = user
		}
	}
}

// graced says whether a failure is the rightful owner's phone, which still has
// the secret that we changed.
func (r *Responder) graced(now time.Time, o *score.Observation) bool {
	if len(r.rotatedAt) == 0 {
		return false
	}
	at, rotated := r.rotatedAt[string(o.Account)]
	return rotated && now.Sub(at) < grace && r.breakIn.Knows(string(o.Account), o.Source, now)
}

// observe scores one observation and answers the thresholds it crosses. The
// caller holds the lock.
func (r *Responder) observe(o *score.Observation) {
	for _, v := range r.table.Observe(o) {
		r.counters.Verdicts++
		r.meters.verdict(v.Threshold.Name)
		r.answer(&v)
	}
}

// answer plans what a verdict asks for and sends the steps on their ways: bans
// to the lane, the rest to the crew. The caller holds the lock.
func (r *Responder) answer(v *score.Verdict) {
	f := r.facts(v)
	if sameOffence(v, f) {
		r.promote(v, *f.banned)
		return
	}
	if r.sign != nil {
		f.channel, f.home = r.sign.Channel, r.home(v.At, r.sign.Account, v.Cause.Source)
	}
	steps := plan(v, r.policy.Playbooks[v.Threshold.Playbook], r.policy.Ladder, f)
	if idle(steps, f) {
		r.counters.Muted++
		r.insist(v, f.banned)
		return
	}
	if f.stale != nil && !r.tellFlow(v) {
		r.counters.Muted++
		r.dropFlows(v, steps, func(int) func(error) { return func(error) {} })
		return
	}
	if f.stale == nil && harmless(steps) && !r.tell(v) {
		r.counters.Muted++
		return
	}
	i := &Incident{
		At: v.At, Key: v.Key,
		Threshold: v.Threshold.Name, Playbook: v.Threshold.Playbook, Reason: v.Reason,
		Observed: r.policy.Observe, Account: accountOf(v), Source: v.Cause.Source,
		Evidence: r.evidence(v), Steps: steps,
	}
	if r.sign != nil {
		i.Reason += "; " + r.sign.Detail
	}
	refused := r.cut(i) // first of all: everything else can wait a moment
	for n := range i.Steps {
		if s := &i.Steps[n]; s.ban.Prefix.IsValid() {
			r.drop(i, n, s.ban)
		}
	}
	if compromised(steps) {
		r.trust.betrayed(i.Account)
	}
	r.counters.Incidents++
	r.record(i)
	for _, n := range refused {
		r.settle(i, n, Failed, "too many calls to end at once")
	}
	r.dropFlows(v, i.Steps, func(n int) func(error) { return func(err error) { r.flowDropped(i, n, err) } })
	r.employ(i)
}

// evidence is what a verdict rests on; that of a break-in begins with the
// failures that made its success one.
func (r *Responder) evidence(v *score.Verdict) []score.Record {
	if v.Cause.Signal != score.SuccessAfterFailures {
		return v.Evidence
	}
	return append(r.breakIn.Failures(v.Key.Account), v.Evidence...)
}

func (r *Responder) facts(v *score.Verdict) facts {
	f := facts{target: r.trust.narrow(targetOf(v), v), observe: r.policy.Observe, deaf: r.policy.Deaf || r.parts.Notifier == nil}
	if r.parts.Exec != nil || r.policy.Observe {
		f.command = r.policy.Command
	}
	if slices.Contains(r.policy.Playbooks[v.Threshold.Playbook], StepRestrict) {
		f.refuge, f.exposed = r.refuge(v)
	}
	if !f.target.IsValid() {
		return f
	}
	if stale, ok := r.stale(v); ok {
		f.stale, f.flows = &stale, r.parts.Watch != nil
	}
	f.full = r.book.full()
	f.allowed = r.trust.allowed(f.target)
	f.protected = r.trust.why(f.target)
	f.offences = r.offences.count(v.At, f.target)
	if ban, ok := r.book.covering(v.At, f.target); ok {
		f.banned = &ban
	}
	return f
}

// drop sends one ban to the kernel. In mode observe it is only remembered, so
// that one source makes one incident and climbs the ladder there, too.
func (r *Responder) drop(i *Incident, n int, ban Ban) {
	r.book.put(ban)
	if ban.Offence > 0 {
		r.offences.add(ban.Since, ban.Prefix)
	}
	if ban.Observed {
		return
	}
	ok := r.lane.push(order{ban: ban, done: func(err error) { r.dropped(i, n, err) }})
	if !ok {
		r.counters.LaneFull++
	}
}

// dropAll has the kernel drop what was banned, but for what a person decided
// otherwise about while the order was waiting.
func (r *Responder) dropAll(now time.Time, orders []order) error {
	r.hand.Lock()
	defer r.hand.Unlock()
	bans := make([]Ban, 0, len(orders))
	for _, o := range orders {
		if o.number > r.overruled[o.ban.Prefix] {
			bans = append(bans, o.ban)
		}
	}
	r.carried = orders[len(orders)-1].number
	maps.DeleteFunc(r.overruled, func(_ netip.Prefix, n uint64) bool { return n <= r.carried })
	return r.parts.Firewall.Ban(now, bans)
}

// overrule has the orders that wait for the kernel leave a prefix alone. The
// caller holds hand and the lock.
func (r *Responder) overrule(prefix netip.Prefix) {
	if r.lane.pushed > r.carried {
		r.overruled[prefix] = r.lane.pushed
	}
}

// dropped records what became of a ban in the kernel.
func (r *Responder) dropped(i *Incident, n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.settle(i, n, Failed, err.Error()+"; tried again every second")
		return
	}
	if !i.At.Before(r.born) {
		r.meters.dropped(time.Since(i.At))
	}
	r.settle(i, n, Done, untilString(i.Steps[n].ban))
	r.herald(i.Steps[n].ban, Banned)
}

// holds is how long after a ban its source may still be heard: what was in
// Asterisk's queues when the drop took effect.
const holds = 10 * time.Second

// insist drops a source again that is heard although it has long been banned:
// somebody has taken our drop out of the kernel.
func (r *Responder) insist(v *score.Verdict, ban *Ban) {
	if ban.Observed || v.At.Sub(ban.Since) < holds || ban.Scope == ScopeSIP && v.Cause.Transport != event.UDP {
		return
	}
	r.lane.push(order{ban: *ban, done: func(err error) {
		r.log.Error().AnErr("error", err).Stringer("source", ban.Prefix).Msg("a banned source was heard: its drop is renewed")
	}})
}

// employ gives the steps that wait for Asterisk to the crew.
func (r *Responder) employ(i *Incident) {
	j := newJob(i)
	r.toTell(i, len(j.open) > 0)
	if len(j.open) == 0 {
		return
	}
	select {
	case r.jobs <- j:
		if j.closes() {
			r.close(j)
		}
	default:
		r.counters.JobsRefused++
		for _, n := range j.open {
			r.settle(i, n, Failed, "too many incidents at once")
		}
		r.crewDone(i)
	}
}

// channels is the number of channels an account has up by the events, those of
// calls it has left included, and a channel that is closed when any goes down.
func (r *Responder) channels(account string) (int, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls.Account(account) + len(r.calls.Strays(account)), r.callsC
}

func (r *Responder) rotatedSince(account string, t time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rotatedAt[account].After(t)
}

// setRotated notes that an account has another secret, since when what was
// guessed of the old one no longer matters, and says whose phones need it.
func (r *Responder) setRotated(account string) (homes string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	homes = r.homes(now, account)
	r.rotatedAt[account] = now
	r.breakIn.Reset(account)
	return homes
}

// lingers is how long after containment an account's new calls are still ended
// as they come. The INVITE whose password gave the thief away is a channel only
// a moment after its SuccessfulAuth, and a hang-up alone can be done by then.
const lingers = 5 * time.Second

// closure is an account with incidents under way: its new calls are ended as
// they come.
type closure struct {
	incidents int
	until     time.Time           // when incidents is 0: how long it lingers
	numbers   []int64             // of these incidents
	ended     map[string]struct{} // channels hung up
	swept     map[string]struct{} // channels that came meanwhile, to be hung up
}

// over says that nothing is under way any more, and has not been for a while.
func (c *closure) over(now time.Time) bool { return c.incidents == 0 && now.After(c.until) }

// close begins the watch for new calls of an account. The caller holds the
// lock.
func (r *Responder) close(j job) {
	c := r.closing[j.account]
	if c == nil || c.incidents == 0 {
		c = &closure{ended: map[string]struct{}{}, swept: map[string]struct{}{}}
		r.closing[j.account] = c
	}
	c.incidents++
	c.numbers = append(c.numbers, j.incident.ID)
}

// ended counts the channels of an account that were hung up while it was
// closed, whoever did it.
func (r *Responder) ended(account string, channels []string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.closing[account]
	if c == nil {
		return len(channels)
	}
	for _, name := range channels {
		c.ended[name] = struct{}{}
	}
	return len(c.ended)
}

// contained ends the watch for new calls of an account, in a while.
func (r *Responder) contained(account string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.closing[account]
	if c == nil {
		return
	}
	if c.incidents--; c.incidents == 0 {
		c.until = time.Now().Add(lingers)
	}
}
