// Package judge is the way of an event from a sensor to a decision:
//
//	intake   what counts as one attempt, on which account, is it proven?
//	score    which thresholds does it cross?   calls   what is unusual about a call?
//	places   is this address known for this account?
//	decide   which steps of the playbook, and which not?
//
// A Judge is pure: time is an argument, nothing waits, and what it decides it
// hands to Effects. The daemon, replay, the demo and tests run the same code. It
// has no lock: its owner calls it from one goroutine at a time.
package judge

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Policy is what the operator decided, and what the edges can do.
type Policy struct {
	Observe    bool // decide and record everything, change nothing
	Thresholds []score.Threshold
	Playbooks  map[string][]incident.StepKind
	Ladder     decide.Ladder
	BreakIn    score.BreakInConfig
	Known      time.Duration // how long after its last success an address is known
	Restrict   contain.RestrictRule
	Calls      calls.Rules
	Allow      []netip.Prefix // never banned
	Username   string         // our own name on the manager interface
	Log        bool           // another sensor reads Asterisk's log
	Wire       bool           // another sensor sees SIP over UDP
	NoReceiver bool           // no receiver is configured
	Command    string         // the program that the step exec runs; "" is none
	DropsFlows bool           // the kernel can drop single flows for us
}

// Judge knows what happened and decides what should be done.
type Judge struct {
	Intake   *intake.Intake
	Places   *places.Places
	Bans     *bans.Registry
	Offences *bans.Offences
	Calls    *calls.Detector
	Contain  *contain.State

	policy     Policy
	effects    Effects
	table      *score.Table
	breakIn    *score.BreakIn
	recent     calls.Recent
	dedup      decide.Dedup
	flows      decide.Flows
	registered []string // accounts that Asterisk named at the last resync
	counters   Counters
	meters     meters
}

// New makes a Judge that knows nothing yet.
func New(now time.Time, policy Policy, effects Effects) (*Judge, error) {
	table, err := score.New(policy.Thresholds, score.Limits{})
	if err != nil {
		return nil, fmt.Errorf("thresholds: %w", err)
	}
	j := &Judge{
		Intake: intake.New(policy.Username, policy.Log || policy.Wire),
		Bans:   &bans.Registry{}, Offences: bans.NewOffences(policy.Ladder.Forget),
		Contain: &contain.State{Restrictions: contain.NewRestrictions(policy.Restrict)},
		policy:  policy, effects: effects, table: table, meters: newMeters(),
	}
	j.Intake.Wire.Unseen(now)
	j.Places = places.New(places.Config{
		Remember: policy.Known, AddressLearned: effects.AddressLearned, NetworkLearned: effects.NetworkLearned,
	}, policy.Allow)
	j.breakIn = score.NewBreakIn(policy.BreakIn, j.Places)
	j.Calls = calls.NewDetector(now, policy.Calls, j.Places)
	j.Calls.Learned = effects.HabitLearned
	return j, nil
}

// PasswordChanged records that an account has another password: what was guessed
// of the old one no longer matters.
func (j *Judge) PasswordChanged(now time.Time, account string) {
	j.Contain.Rotations.Set(account, now)
	j.breakIn.ClearFailures(account)
	j.Places.ForgetThieves(account)
}

// ClearFailures clears the failures of others for an account: a person has looked at
// them.
func (j *Judge) ClearFailures(account string) { j.breakIn.ClearFailures(account) }

// ClearScore forgets what the addresses of a prefix scored.
func (j *Judge) ClearScore(prefix netip.Prefix) {
	j.table.Forget(sourceKey(prefix.Addr()))
	j.table.Forget(networkKey(prefix.Addr()))
}

// Prune forgets what ran out. It is to be called once a minute.
func (j *Judge) Prune(now time.Time) {
	for _, ended := range j.Bans.Prune(now) {
		j.effects.BanChanged(ended, incident.Ended)
	}
	j.dedup.Prune(now)
	j.flows.Prune(now)
	j.Contain.Prune(now)
}

// thresholdOf is the threshold of that name; nil when the configuration has
// none any more.
func (j *Judge) thresholdOf(name string) *score.Threshold {
	for i := range j.policy.Thresholds {
		if t := &j.policy.Thresholds[i]; t.Name == name {
			return t
		}
	}
	return nil
}
