package judge

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/slow"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Effects carries out what a Judge decides. A Judge calls it while it handles an
// event, so that none of the calls may wait or call the Judge.
type Effects interface {
	// Begin carries out at once what cannot wait about a new incident: it ends the
	// incident's own call and drops its address. record does the rest, which takes
	// longer, and ends in Record; it is to be called once, now or before the Judge
	// is used again.
	Begin(i *incident.Incident, record func())
	// Record gives a new incident its number, records it, and carries out the
	// rest. Evidence is filled in by then.
	Record(i *incident.Incident)
	// Join is Begin for the steps from number first on, which join an incident under
	// way. record ends in Extend, unless the incident's own record has done it.
	Join(i *incident.Incident, first int, record func())
	// Extend records what joined an incident: its reason, its steps from number first
	// on, which it carries out, and more evidence.
	Extend(i *incident.Incident, first int, more []incident.Evidence)
	// Undelivered says whether the message about an incident is still to be sent.
	Undelivered(i *incident.Incident) bool
	// Amend records the reason and the other fields of an incident after a change.
	Amend(i *incident.Incident)
	// Prolong puts a ban in force that is not a new step: its address went on after the
	// last one, or its incident counts it without listing it.
	Prolong(ban incident.Ban)
	// Promote puts a ban on spoofable evidence in force as a proven one.
	Promote(ban incident.Ban)
	// Release lets a banned prefix through again, which nobody asked for; by says
	// why.
	Release(ban incident.Ban, by string)
	// Renew makes the kernel drop a banned address again that is still heard. What
	// the kernel acknowledges comes back by bans.Registry.Acknowledged.
	Renew(ban incident.Ban)
	// Widen puts a ban in force that drops more than it did.
	Widen(ban incident.Ban)
	// NoteStep records what became later of a step of an incident, which is found by its
	// kind and target.
	NoteStep(id int64, s incident.Step)
	// NoteBan records in the step of a ban whether its address is still heard.
	NoteBan(ban incident.Ban, s incident.Step)
	// DropFlow drops a flow again about which an incident was made before. LiftFlow lets
	// one through before its time. What the kernel says about a flow to drop comes back
	// by partial.Blocks.FlowAcknowledged.
	DropFlow(flow incident.Flow, within time.Duration)
	LiftFlow(b incident.PartialBlock)
	// Suspect throttles an address for that time; 0 ends it. The conversations in live
	// pass as before. It may keep live, which never changes. ok is false if there is no
	// room now. Otherwise what the kernel says comes back by partial.Blocks.ThrottleAcknowledged.
	Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool)
	// CloseConnections lets nothing in from an address over TCP, TLS and WebSocket for
	// that time, except over the connections in live; 0 ends it. It may keep live, which
	// never changes. ok is false if there is no room now. Otherwise what the kernel says
	// comes back by partial.Blocks.ClosingAcknowledged.
	CloseConnections(at netip.Prefix, within time.Duration, live []netip.AddrPort) (ok bool)
	// BanChanged is called when a ban has expired. PartialChanged is called for each
	// change of a partial block.
	BanChanged(ban incident.Ban, change incident.BanChange)
	PartialChanged(b incident.PartialBlock, change incident.BanChange)

	// EndCall ends a call of an account that is locked, waits for a person, or whose costs
	// are limited, or a further leg of a call that has been ended.
	EndCall(channel string)
	// Sweep ends the new calls of an account that is being contained.
	Sweep(account string)
	// ChannelDown is called when a channel has gone down.
	ChannelDown()
	// Call records a call with the incidents that it belongs to.
	Call(c contain.IncidentCall)

	// AskSource asks where the call of a sign comes from; the answer comes back
	// by Judge.Located. AskUserAgent asks for the User-Agent that a call is set up
	// with, for Judge.UserAgent. False: it will not be asked; raw is borrowed.
	AskSource(s calls.Sign, raw []byte) bool
	AskUserAgent(c calls.Channel, raw []byte) bool

	// AccountWaits keeps that steps of an account wait for a person; without steps, none
	// waits any longer.
	AccountWaits(w contain.Waiting)
	// ThievesChanged keeps who else knows the password of an account, since when;
	// nobody, if the list is empty.
	ThievesChanged(account string, thieves []netip.Prefix, at time.Time)
	// HoldChanged keeps a limit of an account's costs, or its addresses on probation,
	// and HoldEnded forgets them.
	HoldChanged(h incident.Hold)
	HoldEnded(account string, kind incident.HoldKind)
	// Compromised keeps that somebody else uses an account, or with a zero time that
	// nobody else does any more.
	Compromised(c places.Compromise)
	// AddressLearned, NetworkLearned and HabitLearned keep what is usual for an
	// account.
	AddressLearned(a places.Address)
	NetworkLearned(n places.Network)
	HabitLearned(h calls.Habit)
	// SpendingUsed keeps what a finished call adds to an hour. SpendingForgiven keeps that
	// what an account, or with "" any of them, has spent since an hour no longer counts.
	SpendingUsed(u spending.Use)
	SpendingForgiven(account string, since int64)
	// GuessChanged keeps a wrong password that counts for days. SlowRaised keeps what was
	// raised about them.
	GuessChanged(g slow.Guess)
	SlowRaised(r slow.Raised)
}

// Discard carries out nothing. Embed it where only some effects matter.
type Discard struct{}

var _ Effects = Discard{}

// Begin only records.
func (Discard) Begin(_ *incident.Incident, record func()) { record() }

// Join only records.
func (Discard) Join(_ *incident.Incident, _ int, record func()) { record() }

// Extend does nothing.
func (Discard) Extend(*incident.Incident, int, []incident.Evidence) {}

// Undelivered says that no message was sent.
func (Discard) Undelivered(*incident.Incident) bool { return true }

// Amend does nothing.
func (Discard) Amend(*incident.Incident) {}

// Prolong does nothing.
func (Discard) Prolong(incident.Ban) {}

// Record does nothing.
func (Discard) Record(*incident.Incident) {}

// Promote does nothing.
func (Discard) Promote(incident.Ban) {}

// Release does nothing.
func (Discard) Release(incident.Ban, string) {}

// Renew does nothing.
func (Discard) Renew(incident.Ban) {}

// Widen does nothing.
func (Discard) Widen(incident.Ban) {}

// NoteStep does nothing.
func (Discard) NoteStep(int64, incident.Step) {}

// NoteBan does nothing.
func (Discard) NoteBan(incident.Ban, incident.Step) {}

// DropFlow does nothing.
func (Discard) DropFlow(incident.Flow, time.Duration) {}

// Suspect does nothing.
func (Discard) Suspect(netip.Prefix, time.Duration, []netip.AddrPort) bool { return true }

// LiftFlow does nothing.
func (Discard) LiftFlow(incident.PartialBlock) {}

// PartialChanged does nothing.
func (Discard) PartialChanged(incident.PartialBlock, incident.BanChange) {}

// CloseConnections does nothing.
func (Discard) CloseConnections(netip.Prefix, time.Duration, []netip.AddrPort) bool { return true }

// BanChanged does nothing.
func (Discard) BanChanged(incident.Ban, incident.BanChange) {}

// EndCall does nothing.
func (Discard) EndCall(string) {}

// Sweep does nothing.
func (Discard) Sweep(string) {}

// ChannelDown does nothing.
func (Discard) ChannelDown() {}

// Call does nothing.
func (Discard) Call(contain.IncidentCall) {}

// AskSource never asks.
func (Discard) AskSource(calls.Sign, []byte) bool { return false }

// AskUserAgent never asks.
func (Discard) AskUserAgent(calls.Channel, []byte) bool { return false }

// AccountWaits does nothing.
func (Discard) AccountWaits(contain.Waiting) {}

// ThievesChanged does nothing.
func (Discard) ThievesChanged(string, []netip.Prefix, time.Time) {}

// Compromised does nothing.
func (Discard) Compromised(places.Compromise) {}

// HoldChanged does nothing.
func (Discard) HoldChanged(incident.Hold) {}

// HoldEnded does nothing.
func (Discard) HoldEnded(string, incident.HoldKind) {}

// AddressLearned does nothing.
func (Discard) AddressLearned(places.Address) {}

// NetworkLearned does nothing.
func (Discard) NetworkLearned(places.Network) {}

// HabitLearned does nothing.
func (Discard) HabitLearned(calls.Habit) {}

// SpendingUsed does nothing.
func (Discard) SpendingUsed(spending.Use) {}

// SpendingForgiven does nothing.
func (Discard) SpendingForgiven(string, int64) {}

// GuessChanged does nothing.
func (Discard) GuessChanged(slow.Guess) {}

// SlowRaised does nothing.
func (Discard) SlowRaised(slow.Raised) {}
