// Package judge is the way of an event from a sensor to a decision:
//
//	intake   what counts as one attempt, on which account, is it proven?
//	calls    what is unusual about a call?   spending   which limit is reached?
//	score    which thresholds does it cross?
//	slow     which guesses belong together, over days?
//	places   is this address known for this account?   phones   is it the account's own phone?
//	decide   which steps of the playbook, and which not?
//	ongoing  a new incident, or one under way?
//	partial  what is done where others live   gate   may a call go on?
//	effect   do bans take effect?
//
// A Judge is pure: time is an argument, nothing waits, and what it decides it
// hands to Effects. The daemon, replay, the demo and tests run the same code. It
// has no lock: its owner calls it from one goroutine at a time.
package judge

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/effect"
	"github.com/tollwarden/tollwarden/responder/gate"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/ongoing"
	"github.com/tollwarden/tollwarden/responder/partial"
	"github.com/tollwarden/tollwarden/responder/phones"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/slow"
	"github.com/tollwarden/tollwarden/responder/spending"
)

// Judge knows what happened and decides what should be done.
type Judge struct {
	Intake   *intake.Intake
	Places   *places.Places
	Bans     *bans.Registry
	Offences *bans.Offences
	Repeats  *bans.Offences // bans on spoofable evidence
	Calls    *calls.Detector
	Contain  *contain.State
	Slow     *slow.Guesses
	Spending *spending.Spending
	Partial  *partial.Blocks
	Gate     *gate.Gate
	Effect   *effect.Check

	policy     Policy
	effects    Effects
	table      *score.Table
	breakIn    *score.BreakIn
	against    *evidence
	turns      *score.Turns
	dedup      decide.Dedup
	newPlaces  newPlaces
	phones     *phones.Own
	words      words
	limits     limits
	ongoing    *ongoing.Incidents
	flood      *ongoing.Flood
	placesAt   time.Time // when Places was last pruned
	unstopped  decide.Unstopped
	pause      *decide.Pause
	wouldBe    wouldBe
	missed     decide.Missed // verdicts of the pause that is on, or was the last
	resumption resumption
	suspicions suspicions

	wireAt      time.Time      // when a request or a response was last seen on the wire
	waiting     []unexplained  // successes that wait for a response
	registered  []string       // accounts that Asterisk named at the last resync
	unannounced unannouncedSet // registrations that no event reports, and when each last counted
	doubts      doubts
	counters    Counters
	meters      meters
}

// New makes a Judge that knows nothing yet.
func New(now time.Time, policy Policy, effects Effects) (*Judge, error) {
	table, err := score.New(policy.Thresholds, score.Limits{})
	if err != nil {
		return nil, fmt.Errorf("thresholds: %w", err)
	}
	j := &Judge{
		Intake: intake.New(policy.Username, policy.Log || policy.Wire),
		Bans:   &bans.Registry{}, Offences: bans.NewOffences(policy.Ladder.Forget), Repeats: bans.NewRepeats(policy.Ladder.RepeatMemory()),
		Contain: &contain.State{Restrictions: contain.NewRestrictions(policy.Restrict)},
		wouldBe: newWouldBe(policy.Ladder),
		policy:  policy, effects: effects, table: table, turns: score.NewTurns(), meters: newMeters(), placesAt: now, pause: &decide.Pause{},
	}
	j.Contain.Costs.Holds = effects
	j.Contain.Costs.Configure(policy.Restrict)
	j.Intake.Wire.Unseen(now)
	j.Places = places.New(places.Config{
		Remember: policy.Known, AddressLearned: effects.AddressLearned, NetworkLearned: effects.NetworkLearned,
		ThievesChanged: effects.ThievesChanged, ProbationChanged: keepProbation(effects, &j.suspicions), Compromised: effects.Compromised, NeighbourhoodLearned: j.moveIn,
	}, policy.Allow)
	j.Partial = partial.New(policy.Ladder, policy.Throttles, j.Places, idle{j}, effects)
	j.breakIn = score.NewBreakIn(policy.BreakIn, j.Places)
	j.resumption.bans = j.Bans
	j.suspicions.places, j.suspicions.table, j.suspicions.breakIn = j.Places, table, j.breakIn
	j.against = &evidence{j.breakIn, table}
	j.doubts = doubts{places: j.Places, against: j.against}
	j.ongoing, j.flood = ongoing.New(table, j.breakIn, effects), ongoing.NewFlood(effects)
	j.limits = limits{&j.Contain.Costs, j.Places, j.ongoing, effects}
	j.words = words{j.Places, j.Contain}
	j.phones = phones.New(j.Places, table, j.breakIn, &j.Contain.Rotations)
	j.Effect = effect.New(j.Bans, j.Places, j.phones, idle{j}, effects)
	j.Slow = slow.New(policy.Slow, j.Places)
	j.Calls = calls.NewDetector(now, policy.Calls, j.Places)
	j.Calls.Learned = effects.HabitLearned
	j.Spending = spending.New(policy.spendingRules())
	j.Spending.Used, j.Spending.Forgave = effects.SpendingUsed, effects.SpendingForgiven
	j.Gate = gate.New(policy.gateRules(), j.Calls, j.Contain, j.Spending, idle{j}, effects)
	j.Contain.Breaker.Configure(policy.Breaker)
	return j, nil
}

// PasswordChanged records that an account has another password: what was guessed
// of the old one no longer matters.
func (j *Judge) PasswordChanged(now time.Time, account string) {
	j.Contain.Rotations.Set(account, now)
	j.EndWaits(account)
	j.forgetBreakIn(account, "the password was changed")
	j.Forgive(now, account)
}

// ForgetAttack forgets what others did to an account: a person has dealt with it.
func (j *Judge) ForgetAttack(account string) {
	j.forgetBreakIn(account, "a person has unlocked the extension")
	j.Slow.Reviewed(account)
	j.EndWaits(account)
}

// EndWaits records that a person, or a step, has dealt with an account: none of its steps
// waits any longer for a person, or for the end of a pause.
func (j *Judge) EndWaits(account string) {
	j.endBreakerWait(account)
	j.missed.ForgetAccount(account)
}

// forgetBreakIn forgets the guesses at an account, and where others have or may have its
// password, with the limit of its costs that they brought about. why is a reason in words.
func (j *Judge) forgetBreakIn(account, why string) {
	j.Contain.Log.Unfollow(account)
	j.breakIn.ClearFailures(account)
	j.phones.ForgetVouchers(account)
	delete(j.newPlaces.held, account)
	j.Places.ForgetProbation(account)
	j.Places.ForgetThieves(account)
	j.limits.end(account, why)
}

// Stolen says whether somebody else is known to have the password of an account, or to
// use it.
func (j *Judge) Stolen(now time.Time, account string) bool {
	return j.Places.Stolen([]byte(account), now) || j.Places.Compromised(account, now)
}

// ClearScore forgets what the addresses of a prefix scored.
func (j *Judge) ClearScore(prefix netip.Prefix) {
	j.table.Forget(score.SourceKey(prefix.Addr()))
	j.table.Forget(score.NetworkKey(prefix.Addr()))
	j.turns.Forget(prefix)
	j.missed.ForgetIn(prefix)
	j.Slow.Forget(event.SourcePrefix(prefix.Addr()))
}

// Prune forgets what ran out. It is to be called once a minute.
func (j *Judge) Prune(now time.Time) {
	j.resumeBans(now)
	for _, ended := range j.Bans.Prune(now) {
		j.effects.BanChanged(ended, incident.Ended)
	}
	j.resumption.forget(now)
	j.Effect.Prune(now)
	j.dedup.Prune(now)
	j.Partial.Prune(now)
	j.unstopped.Prune(now)
	j.ongoing.RecordGuesses(now, j.record)
	j.ongoing.Prune(now)
	j.flood.Watch(now)
	j.flood.Prune(now)
	if now.Sub(j.placesAt) >= 24*time.Hour {
		j.placesAt = now
		j.Places.Prune(now)
	}
	j.Contain.Prune(now)
	if !j.pause.Active(now) {
		j.missed.Prune(now)
	}
	j.phones.Prune(now)
	j.pruneSlow(now)
	j.Spending.Prune(now)
}
