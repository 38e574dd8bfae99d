package month

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// effects carries out what the judge decides, in the generated world.
type effects struct {
	judge.Discard
	pbx *pbx
}

func (e effects) Begin(i *incident.Incident, record func()) { e.Join(i, 0, record) }

// Join begins the steps of an incident from number first on.
func (e effects) Join(i *incident.Incident, first int, record func()) {
	for _, s := range i.Steps[first:] {
		if s.State != incident.Intended {
			continue
		}
		if s.Step == incident.StepHangupCall {
			e.end(s.Target, i.Threshold)
		}
		if s.Flow.At.IsValid() {
			e.dropFlow(s.Flow.At, s.Flow.For, i.Threshold)
		}
	}
	record()
	for _, s := range i.Steps[first:] {
		if s.Ban.Prefix.IsValid() && !s.Ban.Observed {
			e.blocked(s.Ban)
		}
	}
}

func (e effects) Record(i *incident.Incident) {
	e.pbx.report.Incidents++
	i.ID = int64(e.pbx.report.Incidents)
	e.Extend(i, 0, nil)
}

// Extend carries out the steps of an incident from number first on.
func (e effects) Extend(i *incident.Incident, first int, _ []incident.Evidence) {
	b := e.pbx
	for n := first; n < len(i.Steps); n++ {
		s := &i.Steps[n]
		s.Ban.Incident, s.Ban.Step = i.ID, n
		if s.State != incident.Intended {
			continue
		}
		b.report.Steps[s.Step]++
		a := b.named[s.Target]
		switch s.Step {
		case incident.StepNotify:
			b.report.Messages[i.Threshold]++
			b.judgeMessage(i)
		case incident.StepHangup:
			for _, channel := range slices.Sorted(maps.Keys(b.channels)) {
				if b.channels[channel].account == a {
					e.end(channel, i.Threshold)
				}
			}
			b.judge.Contain.Sessions.Begin(i.Account, i.ID)
			b.judge.Contain.Sessions.Finish(b.now, i.Account)
		case incident.StepRotate:
			e.rotate(a, i)
		case incident.StepRemoveRegistrations:
			if a != nil {
				for _, p := range a.phones {
					p.until = b.now
				}
			}
		case incident.StepLock:
			e.harm(a, AccountLocked, i.Threshold)
		case incident.StepRestrict:
			to := s.Networks
			b.after(2*time.Second, func() {
				if a != nil && b.judge.Contain.Restrictions.Begin(b.now, a.name, to) == "" {
					b.judge.Contain.Restrictions.Began(b.now, a.name, nil)
				}
			})
		}
	}
}

// harm counts what is done to an account that nobody attacks.
func (e effects) harm(a *account, kind Harm, cause string) {
	if a != nil && !a.attacked {
		e.pbx.hurt(kind, cause, a.name)
	}
}

// rotate changes a password; its owner enters the new one at each phone within a day.
func (e effects) rotate(a *account, i *incident.Incident) {
	b := e.pbx
	if a == nil {
		return
	}
	e.harm(a, PasswordChanged, i.Threshold)
	a.password++
	b.after(time.Second, func() { b.judge.PasswordChanged(b.now, a.name) })
	for _, p := range a.phones {
		if p.forgotten {
			continue
		}
		p.why = "password changed by Tollwarden"
		b.after(between(b.rand, 2*time.Hour, 24*time.Hour), func() { b.enter(p, "password changed by Tollwarden") })
	}
}

// end ends a call.
func (e effects) end(channel, cause string) {
	b := e.pbx
	channel = b.owner(channel)
	c := b.channels[channel]
	if c == nil {
		return
	}
	if !c.rogue {
		e.harm(c.account, CallEnded, cause)
	}
	c.account = &account{} // its Hangup is still to come, but nothing else ends it
	b.after(10*time.Millisecond, func() { b.hangUp(channel) })
}

// blocked looks whom a ban cuts off.
func (e effects) blocked(ban incident.Ban) {
	b := e.pbx
	b.report.Bans++
	for _, a := range b.accounts {
		for _, p := range a.phones {
			if p.healthy() && !a.attacked && ban.Prefix.Contains(p.at.addr) && (ban.Scope != incident.ScopeSIP || p.transport == event.UDP) {
				b.once(AddressBlocked, ban.Origin+", after: "+b.blame[p.at.addr], fmt.Sprint(ban.Prefix, ban.Since), ban.Prefix.String())
			}
		}
	}
}

func (e effects) Promote(ban incident.Ban) { e.blocked(ban) }
func (e effects) Widen(ban incident.Ban)   { e.blocked(ban) }
func (e effects) Prolong(ban incident.Ban) { e.blocked(ban) }

func (e effects) DropFlow(flow incident.Flow, within time.Duration) {
	e.dropFlow(flow.At, within, "a flow dropped again")
}

func (e effects) dropFlow(at netip.AddrPort, within time.Duration, cause string) {
	b := e.pbx
	b.report.FlowsCut++
	b.flows[at] = b.now.Add(within)
	for _, a := range b.accounts {
		for _, p := range a.phones {
			if p.from() == at && p.healthy() && !a.attacked {
				b.hurt(FlowCut, cause, a.name)
			}
		}
	}
}

func (e effects) Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) bool {
	if within > 0 {
		e.pbx.report.Throttled++
	}
	e.pbx.partly[at.Masked()] = partial{until: e.pbx.now.Add(within), live: live, minute: e.pbx.partly[at.Masked()].minute}
	return true
}

// CloseConnections lets nothing in over connections but those in live.
func (e effects) CloseConnections(at netip.Prefix, within time.Duration, live []netip.AddrPort) bool {
	if within > 0 {
		e.pbx.report.Closed++
	}
	e.pbx.closed[at.Masked()] = partial{until: e.pbx.now.Add(within), live: live, why: e.pbx.blame[at.Addr()]}
	return true
}

// EndCall ends a call of an account that is locked, or whose costs are limited. That calls
// abroad from a new place end until somebody says whose it is, is meant so; no other call
// of an owner may end, least of all for a budget.
func (e effects) EndCall(channel string) {
	channel = e.pbx.owner(channel)
	c := e.pbx.channels[channel]
	if c != nil && !c.rogue && abroadFrom(c.number) {
		if limits := &e.pbx.judge.Contain.Costs; limits.EndsEverywhere(e.pbx.now, c.account.name) || limits.EndsEverywhere(e.pbx.now, contain.Site) {
			e.end(channel, "a budget was used up")
			return
		}
		e.pbx.report.CostlyEnded++
		c.account = &account{}
		e.pbx.after(10*time.Millisecond, func() { e.pbx.hangUp(channel) })
		return
	}
	e.end(channel, "a call of an account that is locked or limited")
}

func (e effects) Sweep(name string) {
	for _, channel := range slices.Sorted(maps.Keys(e.pbx.channels)) {
		if e.pbx.channels[channel].account.name == name {
			e.end(channel, "all calls of the account are ended")
		}
	}
}

func (e effects) AddressLearned(a places.Address) {
	e.pbx.ledger.addresses[a.Account+a.Source.String()] = a
}

func (e effects) NetworkLearned(n places.Network) {
	e.pbx.ledger.networks[n.Account+n.Prefix.String()] = n
}

func (e effects) HabitLearned(h calls.Habit) {
	e.pbx.ledger.habits[h.Account+string(h.Kind)+h.Value] = h
}

func (e effects) GuessChanged(g slow.Guess) { e.pbx.ledger.guesses[g.Account+g.Source.String()] = g }
func (e effects) SlowRaised(r slow.Raised)  { e.pbx.ledger.raised[r.Account] = r }
func (e effects) ThievesChanged(name string, thieves []netip.Prefix, at time.Time) {
	e.pbx.ledger.thieves[name] = stolen{thieves, at}
}

func (e effects) SpendingUsed(u spending.Use) { e.pbx.ledger.spent = append(e.pbx.ledger.spent, u) }

// ledger is what survives a restart of the daemon.
type ledger struct {
	addresses map[string]places.Address
	networks  map[string]places.Network
	habits    map[string]calls.Habit
	guesses   map[string]slow.Guess
	raised    map[string]slow.Raised
	thieves   map[string]stolen
	spent     []spending.Use
}

type stolen struct {
	by []netip.Prefix
	at time.Time
}

func newLedger() ledger {
	return ledger{
		map[string]places.Address{},
		map[string]places.Network{},
		map[string]calls.Habit{},
		map[string]slow.Guess{},
		map[string]slow.Raised{},
		map[string]stolen{},
		nil,
	}
}

// restart starts the daemon anew, as responder.Engine does.
func (b *pbx) restart() {
	old, l := b.judge, b.ledger
	j, err := judge.New(b.now, b.policy, effects{pbx: b})
	if err != nil {
		panic(err) // the policy was taken before
	}
	b.judge = j
	for _, key := range slices.Sorted(maps.Keys(l.addresses)) {
		a := l.addresses[key]
		j.Places.Know(a.Account, a.Source.Addr(), a.At)
	}
	for _, key := range slices.Sorted(maps.Keys(l.networks)) {
		j.Places.RestoreNetwork(b.now, l.networks[key])
	}
	for _, a := range b.accounts {
		if at := old.Contain.Rotations.At(a.name); !at.IsZero() {
			j.Contain.Rotations.Set(a.name, at)
		}
		if to, limited := old.Contain.Restrictions.Networks(a.name); limited {
			j.Contain.Restrictions.Restore(b.now, a.name, to, b.now)
		}
		for _, thief := range l.thieves[a.name].by {
			j.Places.RestoreThief(a.name, thief, l.thieves[a.name].at)
		}
	}
	var habits []calls.Habit
	for _, key := range slices.Sorted(maps.Keys(l.habits)) {
		habits = append(habits, l.habits[key])
	}
	j.Calls.RestoreHabits(b.now, habits)
	j.Spending.Restore(l.spent)
	var guesses []slow.Guess
	for _, key := range slices.Sorted(maps.Keys(l.guesses)) {
		guesses = append(guesses, l.guesses[key])
	}
	j.Slow.Restore(b.now, guesses)
	for _, key := range slices.Sorted(maps.Keys(l.raised)) {
		j.Slow.RestoreRaised(l.raised[key])
	}
	for _, ban := range old.Bans.List(b.now) {
		j.Bans.Put(ban)
		j.Offences.Set(ban.Prefix, old.Offences.Count(b.now, ban.Prefix), ban.Since)
		if ban.Repeat > 0 {
			j.Repeats.Set(ban.Prefix, ban.Repeat, ban.Since)
		}
	}
	j.Intake.Unseen(b.now)
	j.Calls.StreamStarted(b.now)
	var up []calls.Channel
	for _, name := range slices.Sorted(maps.Keys(b.channels)) {
		c := b.channels[name]
		up = append(up, calls.Channel{Name: name, Account: c.account.name, Since: b.now, Calling: true, Linkedid: name})
	}
	j.Calls.List(nil)
	j.Calls.BeginSnapshot()
	b.resync()
	j.Calls.ApplySnapshot(b.now, up)
}

// signalsOf is what an incident rests on, for the words about it.
func signalsOf(list []incident.Evidence) string {
	counts := map[score.Signal]int{}
	for _, e := range list {
		counts[e.Record.Signal]++
	}
	text := ""
	for _, s := range score.Signals() {
		if counts[s] > 0 {
			text += fmt.Sprintf(" %s×%d", s, counts[s])
		}
	}
	return text
}
