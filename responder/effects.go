package responder

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// effects carries out what the judge decides: by queues, since the judge runs
// under the lock.
type effects struct{ *Engine }

var _ judge.Effects = effects{}

// Begin hangs up and drops before anything else.
func (e effects) Begin(i *incident.Incident, record func()) { e.Join(i, 0, record) }

// Join hangs up and drops before anything else.
func (e effects) Join(i *incident.Incident, first int, record func()) {
	e.unrecorded = append(e.unrecorded, record)
	for n, s := range i.Steps {
		if n < first || s.Step != incident.StepHangupCall || s.State != incident.Intended {
			continue
		}
		e.urgent++
		if !e.runner.QueueEnd(i, n, s.Target) {
			i.Steps[n].State, i.Steps[n].Detail = incident.Failed, "too many calls to end at once"
			e.refused.Steps++
		}
	}
	for n, s := range i.Steps {
		if n >= first && s.Ban.Prefix.IsValid() && !s.Ban.Observed {
			e.drop(s.Ban, func(err error) { e.dropped(i, n, err) })
		}
	}
}

// drop sends one ban to the kernel. done is called from the queue's goroutine.
func (e *Engine) drop(ban incident.Ban, done func(error)) {
	e.urgent++
	if !e.queue.Ban(ban, done) {
		e.refused.Bans++
	}
}

// dropped records what became of a ban in the kernel.
func (e *Engine) dropped(i *incident.Incident, n int, err error) {
	e.lock()
	defer e.mu.Unlock()
	e.journal.Dropped(time.Now(), i, n, err)
	e.judge.Settled(time.Now(), i, n)
	if e.acknowledged(i.Steps[n].Ban, err); err == nil {
		e.banChanged(i.Steps[n].Ban, incident.Banned)
	}
}

// acknowledged records that the kernel drops a ban, if it does. Called under the
// lock.
func (e *Engine) acknowledged(ban incident.Ban, err error) {
	if err == nil {
		e.judge.Bans.Acknowledged(time.Now(), ban)
	}
}

func (e *Engine) banChanged(b incident.Ban, change incident.BanChange) {
	if e.parts.OnBan != nil {
		e.parts.OnBan(b, change)
	}
}

// Record keeps the incident, and gives the rest of its steps to the workers.
func (e effects) Record(i *incident.Incident) {
	e.journal.Record(i)
	e.carryOut(i, 0)
}

// Extend keeps what joined an incident, and carries out its steps.
func (e effects) Extend(i *incident.Incident, first int, more []incident.Evidence) {
	e.journal.Extend(i, first, more)
	e.carryOut(i, first)
}

// Undelivered says whether the message about an incident is still to be sent.
func (e effects) Undelivered(i *incident.Incident) bool { return e.journal.Undelivered(i) }

// Amend keeps the fields of an incident after a change.
func (e effects) Amend(i *incident.Incident) { e.journal.Amend(i) }

// carryOut keeps the bans of an incident from step first on, and gives the rest of its
// steps to the workers.
func (e *Engine) carryOut(i *incident.Incident, first int) {
	for n := first; n < len(i.Steps); n++ {
		ban := &i.Steps[n].Ban
		if !ban.Prefix.IsValid() || ban.Observed {
			continue
		}
		ban.Incident, ban.Step = i.ID, n
		if ban.Offence > 0 {
			e.parts.Ledger.AddOffence(ban.Prefix, ban.Since)
		}
		if ban.Repeat > 0 {
			e.parts.Ledger.PutRepeat(ledger.Record{Prefix: ban.Prefix, Number: ban.Repeat, Last: ban.Since})
		}
		e.parts.Ledger.PutBan(*ban)
	}
	for n, s := range i.Steps {
		if n >= first && s.Flow.At.IsValid() && s.State == incident.Intended {
			if !e.queueFlow(flowDrop{s.Flow, func(err error) { e.flowDropped(i, n, s.Flow, err) }}) {
				e.journal.Settle(time.Now(), i, n, incident.Failed, errTooManyFlows.Error())
			}
		}
	}
	e.employ(time.Now(), i, first)
}

// employ gives the steps from number first on that wait for Asterisk to the workers, and
// what is for receivers to the journal.
func (e *Engine) employ(now time.Time, i *incident.Incident, first int) {
	e.journal.Expect(now, i, first, contain.HasWork(i, first))
	refused := e.runner.Enqueue(i, first)
	for _, n := range refused {
		e.refused.Steps++
		e.journal.Settle(now, i, n, incident.Failed, "too many incidents at once")
	}
	if len(refused) > 0 {
		e.journal.Finished(now, i)
	}
}

// settle records the outcome of a step.
func (e *Engine) settle(i *incident.Incident, n int, state incident.State, detail string) {
	e.with(func() {
		e.journal.Settle(time.Now(), i, n, state, detail)
		e.judge.Settled(time.Now(), i, n)
	})
}

// Prolong records and drops a ban that is no new step.
func (e effects) Prolong(ban incident.Ban) {
	if ban.Observed {
		return
	}
	if ban.Repeat > 1 {
		e.parts.Ledger.PutRepeat(ledger.Record{Prefix: ban.Prefix, Number: ban.Repeat, Last: ban.Since})
	}
	e.parts.Ledger.PutBan(ban)
	e.drop(ban, func(err error) {
		e.lock()
		defer e.mu.Unlock()
		e.journal.Prolonged(time.Now(), ban, err)
		if e.acknowledged(ban, err); err == nil {
			e.banChanged(ban, incident.Banned)
		}
	})
}

// Promote records and drops a ban that is proven now.
func (e effects) Promote(ban incident.Ban) {
	e.parts.Ledger.AddOffence(ban.Prefix, ban.Since)
	e.parts.Ledger.PutBan(ban)
	e.drop(ban, func(err error) {
		e.lock()
		defer e.mu.Unlock()
		e.journal.Promoted(time.Now(), ban, err)
		if e.acknowledged(ban, err); err == nil {
			e.banChanged(ban, incident.Banned)
		}
	})
}

// Release lets a prefix through again.
func (e effects) Release(ban incident.Ban, by string) {
	if ban.Observed {
		e.banChanged(ban, incident.Released)
		return
	}
	e.parts.Ledger.DeleteBan(ban.Prefix, time.Now(), by)
	level := zerolog.InfoLevel
	if ban.Spoofable() && ban.Network() {
		level = zerolog.DebugLevel // whoever forges packets brings about any number
	}
	e.parts.Log.WithLevel(level).Stringer("source", ban.Prefix).Str("reason", by).Msg("a ban is released before its time")
	room := e.queue.Release([]netip.Prefix{ban.Prefix}, func(err error) {
		if err == nil {
			e.banChanged(ban, incident.Released)
		}
	})
	if !room {
		e.refused.Bans++ // a reconcile releases it
	}
}

// Renew renews a drop: another program may have removed it from the kernel.
func (e effects) Renew(ban incident.Ban) {
	e.drop(ban, func(err error) { e.with(func() { e.acknowledged(ban, err) }) })
}

// Widen records and drops a ban that drops more than it did.
func (e effects) Widen(ban incident.Ban) {
	e.parts.Ledger.PutBan(ban)
	e.drop(ban, func(err error) {
		e.lock()
		defer e.mu.Unlock()
		if e.acknowledged(ban, err); err == nil {
			e.banChanged(ban, incident.Banned)
		}
	})
}

// NoteStep records what became of a step later.
func (e effects) NoteStep(id int64, s incident.Step) { e.journal.Amended(id, s) }

// NoteBan records that a banned address is still heard.
func (e effects) NoteBan(ban incident.Ban, s incident.Step) { e.journal.Noted(ban, s) }

// BanChanged passes on that a ban ran out.
func (e effects) BanChanged(ban incident.Ban, change incident.BanChange) { e.banChanged(ban, change) }

// EndCall ends a call of an account that is locked, waits for a person, or whose costs are
// limited.
func (e effects) EndCall(channel string) {
	if !e.runner.QueueEnd(nil, 0, channel) {
		e.refused.Steps++
	}
}

// Sweep ends the new calls of an account.
func (e effects) Sweep(account string) {
	if !e.runner.QueueSweep(account) {
		e.refused.Steps++
	}
}

// ChannelDown wakes those waiting for channels to go down.
func (e effects) ChannelDown() { e.runner.ChannelDown() }

// Call records a call with its incidents.
func (e effects) Call(c contain.IncidentCall) {
	for _, id := range c.Incidents {
		e.parts.Ledger.PutCall(id, c.Call)
	}
}

// AskSource queues a question.
func (e effects) AskSource(s calls.Sign, raw []byte) bool {
	if !e.running {
		return false
	}
	select {
	case e.sourcesC <- sourceQuestion{s, bytes.Clone(raw)}:
		return true
	default:
		return false
	}
}

// AskUserAgent queues a question.
func (e effects) AskUserAgent(c calls.Channel, raw []byte) bool {
	if !e.running {
		return false
	}
	select {
	case e.agentsC <- userAgentQuestion{c, bytes.Clone(raw)}:
		return true
	default:
		return false
	}
}

// AccountWaits keeps that an account waits for a person.
func (e effects) AccountWaits(w contain.Waiting) {
	if len(w.Steps) == 0 {
		e.parts.Ledger.DropHold(w.Account, incident.HoldWaiting)
		return
	}
	e.parts.Ledger.PutHold(incident.Hold{Account: w.Account, Kind: incident.HoldWaiting, Value: w.Words(), Since: w.Since})
}

// ThievesChanged keeps who else knows the password of an account.
func (e effects) ThievesChanged(account string, thieves []netip.Prefix, at time.Time) {
	if len(thieves) == 0 {
		e.parts.Ledger.DropHold(account, incident.HoldStolen)
		return
	}
	e.parts.Ledger.PutHold(incident.Hold{Account: account, Kind: incident.HoldStolen, Value: incident.PrefixesText(thieves), Since: at})
}

// HoldChanged keeps what holds for an account.
func (e effects) HoldChanged(h incident.Hold) { e.parts.Ledger.PutHold(h) }

// HoldEnded forgets what held for an account.
func (e effects) HoldEnded(account string, kind incident.HoldKind) {
	e.parts.Ledger.DropHold(account, kind)
}

// Compromised keeps that somebody else uses an account.
func (e effects) Compromised(c places.Compromise) {
	if c.At.IsZero() {
		e.parts.Ledger.DropHold(c.Account, incident.HoldCompromised)
		return
	}
	from := ""
	if c.Source.IsValid() {
		from = c.Source.String()
	}
	e.parts.Ledger.PutHold(incident.Hold{Account: c.Account, Kind: incident.HoldCompromised, Value: from, Since: c.At})
}

// AddressLearned keeps an address that an account is known at.
func (e effects) AddressLearned(a places.Address) {
	e.parts.Ledger.PutPlace(ledger.Place{Account: a.Account, Prefix: a.Source, LastSuccess: a.At})
}

// NetworkLearned keeps a network that an account is used from.
func (e effects) NetworkLearned(n places.Network) {
	e.parts.Ledger.PutHabit(ledger.Habit{Account: n.Account, Kind: habitNetwork, Value: n.Prefix.String(), First: n.First, Last: n.Last})
}

// habitNetwork is the ledger's kind of habit for a network.
const habitNetwork = "network"

// habitSlow is the ledger's kind of habit for what people were told of slow guessing: of
// an account, or of the whole site. Its value is the proof.
const habitSlow = "slow guessing"

// SlowRaised keeps what people were told of slow guessing.
func (e effects) SlowRaised(r slow.Raised) {
	value := score.Spoofable
	if r.Proven {
		value = score.Proven
	}
	e.parts.Ledger.PutHabit(ledger.Habit{Account: r.Account, Kind: habitSlow, Value: value.String(), First: r.At, Last: r.At})
}

// GuessChanged keeps a wrong password that counts for days.
func (e effects) GuessChanged(g slow.Guess) {
	e.parts.Ledger.PutGuess(ledger.Guess{
		Account: g.Account, Prefix: g.Source, First: g.First, Last: g.Last, Failures: g.Failures, Proven: g.Proven,
		Port: g.Port, Transport: g.Transport, Signal: g.Signal, Own: g.Own,
	})
}

// SpendingUsed keeps what a finished call adds to an hour.
func (e effects) SpendingUsed(u spending.Use) { e.parts.Ledger.AddSpending(spendingRow(u)) }

// SpendingForgiven keeps that what an account has spent no longer counts.
func (e effects) SpendingForgiven(account string, since int64) {
	e.parts.Ledger.ForgiveSpending(account, since)
}

// HabitLearned keeps what is usual for an account.
func (e effects) HabitLearned(h calls.Habit) {
	e.parts.Ledger.PutHabit(ledger.Habit{Account: h.Account, Kind: string(h.Kind), Value: h.Value, First: h.First, Last: h.Last})
}

// owner is what the runner needs of the engine.
type owner struct{ *Engine }

var _ contain.Owner = owner{}

// With runs f under the lock.
func (o owner) With(f func()) { o.with(f) }

// Report records the outcome of a step.
func (o owner) Report(i *incident.Incident, n int, state incident.State, detail string) {
	o.settle(i, n, state, detail)
}

// Finished says that workers are done with an incident.
func (o owner) Finished(i *incident.Incident) {
	o.with(func() { o.journal.Finished(time.Now(), i) })
}

// PasswordChanged resets what was guessed of the old password.
func (o owner) PasswordChanged(account string) (phones string) {
	o.with(func() {
		now := time.Now()
		phones = o.judge.PhonesOf(now, account)
		o.judge.PasswordChanged(now, account)
	})
	return phones
}
