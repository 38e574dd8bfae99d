package responder

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/orders"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Meters are counts for monitoring, since the start.
type Meters struct {
	Judge      judge.Meters
	Journal    journal.Meters
	NoRoom     Refused // what did not fit in a queue
	ChannelsUp int     // by the events
}

// Meters are the counts now.
func (e *Engine) Meters() (m Meters) {
	e.with(func() { m = Meters{e.judge.Meters(), e.journal.Meters(), e.refused, e.judge.Calls.Len()} })
	m.NoRoom.Steps += m.Journal.Refused
	return m
}

// Counters are what was seen since the start.
func (e *Engine) Counters() (c judge.Counters) {
	e.with(func() { c = e.judge.Counters() })
	return c
}

// Senses is what the sensors last reported.
type Senses struct {
	// EventFailure and LogFailure are when the events, and when Asterisk's log,
	// last reported a failed attempt: a log that stays behind does not hold them.
	EventFailure, LogFailure time.Time
	Blinded                  time.Time // when Asterisk last said that it could not issue an event
	// ProofSuspended is for how long nothing over UDP proves anything yet, because
	// some challenges were not seen.
	ProofSuspended time.Duration
	// Front says that Asterisk sees nearly all phones at one address; "" if it does not.
	Front       string
	TableFull   bool                  // bans in force do not fit into the kernel's table
	Ineffective []bans.IneffectiveBan // those first that have been so for longest
	Unstopped   []decide.Attack       // that go on because nothing is done about them
	Breaker     contain.BreakerState
	Broken      []orders.Order // what should be in force and is not
	Pause       decide.Pause   // the zero Pause: none is on
}

// Senses is what the sensors last reported, as of now.
func (e *Engine) Senses(now time.Time) (s Senses) {
	e.with(func() {
		s.EventFailure, s.LogFailure = e.judge.Intake.LastFailures()
		s.Blinded = e.judge.Intake.BlindedAt()
		s.ProofSuspended = e.judge.Intake.Proof.Suspended(now)
		s.Ineffective = e.judge.Effect.List(now)
		s.Unstopped = e.judge.Unstopped(now)
		s.Breaker = e.judge.Contain.Breaker.State(now)
		if p, paused := e.judge.Paused(now); paused {
			s.Pause = p
		}
		s.Broken = e.judge.Contain.Orders.Broken()
		s.Front = e.judge.Places.Front()
	})
	s.TableFull = e.queue.Full()
	return s
}

// Unannounced says whether some accounts log in over IAX2, which raises no event.
func (e *Engine) Unannounced() (is bool) {
	e.with(func() { is = e.unannounced })
	return is
}

// StolenPasswords lists the accounts whose passwords others know, and where those are.
func (e *Engine) StolenPasswords(now time.Time) (list []string) {
	e.with(func() { list = e.judge.StolenPasswords(now) })
	return list
}

// CanaryHeard is when a sensor last heard a canary; the zero time when never.
func (e *Engine) CanaryHeard(s intake.Sensor) (at time.Time) {
	e.with(func() { at = e.judge.Intake.Canaries.HeardAt(s) })
	return at
}

// Scores are the n keys of one kind nearest to a threshold, the nearest first.
func (e *Engine) Scores(now time.Time, per score.Per, n int) (list []judge.ScoreStatus) {
	e.with(func() { list = e.judge.Scores(now, per, n) })
	return list
}

// AccountNames are the accounts that Asterisk has lately named.
func (e *Engine) AccountNames(now time.Time) (names []string) {
	e.with(func() { names = e.judge.Accounts(now) })
	return names
}

// Protected are the addresses that the PBX itself trusts, so that only proven
// evidence bans them, and why.
func (e *Engine) Protected() (list []places.Protected) {
	e.with(func() {
		for prefix, why := range e.judge.Places.Protected() {
			list = append(list, places.Protected{Prefix: prefix, Why: why})
		}
	})
	return list
}

// inForce is every ban that the kernel should hold, in no order.
func (e *Engine) inForce(now time.Time) (list []incident.Ban) {
	e.with(func() { list = e.judge.Bans.InForce(now) })
	return list
}

// Allow makes list the allow list at once: the kernel lets these through,
// nothing bans them any more, and the bans that they cover whole are released.
func (e *Engine) Allow(list []netip.Prefix) (released []incident.Ban, err error) {
	if err := e.parts.Firewall.Allow(list); err != nil {
		return nil, fmt.Errorf("allow: %w", err)
	}
	e.with(func() {
		e.judge.Places.SetAllow(list)
		e.judge.Partial.EndAllowed(time.Now())
	})
	return e.Bans.ReleaseAllowed(time.Now())
}

// SetNamed takes the addresses to which the host names on the allow list lead. Every
// extension is known there.
func (e *Engine) SetNamed(now time.Time, list []places.Protected) {
	e.with(func() { e.judge.SetNamed(now, list) })
}

// Acted records what a person had the daemon do.
func (e *Engine) Acted(now time.Time, uid uint32, what, target, detail string) {
	e.parts.Ledger.PutAction(ledger.Action{At: now, UID: int(uid), Action: what, Target: target, Detail: detail})
	e.parts.Log.Info().Uint32("uid", uid).Str("target", target).Str("detail", detail).Msg("operator: " + what)
}

// ownAction is the user of what the daemon records of its own accord.
const ownAction = -1

// Gap records a time during which no events arrived from Asterisk, and what
// another sensor learnt of it, "" for nothing. Resync rebuilds what can be rebuilt.
func (e *Engine) Gap(from, to time.Time, learnt string) {
	e.parts.Ledger.PutAction(ledger.Action{
		At: to, UID: ownAction, Action: "gap", Target: "events",
		Detail: strings.TrimSuffix(fmt.Sprintf("no events arrived from %s to %s (%s); %s", from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano), to.Sub(from).Round(time.Millisecond), learnt), "; "),
	})
}
