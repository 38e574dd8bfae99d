package judge

import (
	"maps"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Counters are what a Judge has seen since it was made.
type Counters struct {
	Events, Observations, Tampered, Verdicts, Incidents uint64
	// Joined are verdicts that opened no incident of their own: they joined one that
	// was under way, or shared that of other addresses that may be spoofed.
	Joined uint64
	// Suppressed are verdicts on addresses already banned, and signs about the
	// calls of an account that is being contained: what was still in Asterisk's
	// queues when the drop and the hang-up took effect.
	Suppressed uint64
	// Signs are what was unusual about calls.
	Signs uint64
	// Challenges are the nonces seen on their way; Misdirected those that went
	// to another address than the one they were for.
	Challenges, Misdirected uint64
	// CostlyEnded are the costly calls that were ended because the account waits for a
	// person, its costs are limited, or a budget is used up.
	CostlyEnded uint64
	// Flows are single flows and connections dropped, renewals included. Closings are
	// addresses closed but for the connections of live registrations.
	Flows, Closings uint64
	// Renewed are the times that a banned address was heard and its ban renewed;
	// Ineffective the bans for which that did not help.
	Renewed, Ineffective uint64
	// Unstopped are the attacks that went on because every step was skipped or
	// failed.
	Unstopped uint64
	// Spoofable are bans on spoofable evidence; of them, Repeated were not the first
	// of their prefix.
	Spoofable, Repeated uint64
	// Suspects are the addresses that were throttled, since they cannot be banned;
	// SuspectsRefused those for which there was no room.
	Suspects, SuspectsRefused uint64
	// Confirmed are bans on spoofable evidence that became proven ones.
	Confirmed uint64
	// GracePeriod are failures from an account's own places after its password
	// was changed.
	GracePeriod uint64
	// Logged are the events that Asterisk's log reported, seen by other sensors or
	// not.
	Logged uint64
	// Wire are the attempts that the wire showed first, or alone.
	Wire uint64
	// Pings are requests of monitors and keep-alives, which are no scanning.
	Pings uint64
	// NotIssued are the security events that Asterisk says it could not issue.
	NotIssued uint64
}

// Meters are counts for monitoring, since the Judge was made.
type Meters struct {
	Events       map[string]uint64 // by Asterisk's name of the event
	Observations map[string]uint64 // by proof
	Verdicts     map[string]uint64 // by threshold
	Scores       score.Stats
	Accounts     int               // whose known places are remembered
	Refused      map[string]uint64 // what did not fit in a full table, by table
	Counters     Counters
}

// meters count. Nothing is allocated for an event that crosses no threshold.
type meters struct {
	events   [256]uint64 // by event.Kind
	proofs   [2]uint64   // by score.Proof
	verdicts map[string]uint64
}

func newMeters() meters { return meters{verdicts: map[string]uint64{}} }

func (m *meters) event(k event.Kind)     { m.events[k]++ }
func (m *meters) observed(p score.Proof) { m.proofs[p&1]++ }
func (m *meters) verdict(t string)       { m.verdicts[t]++ }

// Counters are what was seen so far.
func (j *Judge) Counters() Counters {
	c := j.counters
	c.CostlyEnded = j.Gate.CostlyEnded()
	blocks := j.Partial.Counters()
	c.Suspects, c.SuspectsRefused, c.Flows, c.Closings = blocks.Suspects, blocks.Refused, blocks.Flows, blocks.Closings
	checked := j.Effect.Counters()
	c.Renewed, c.Ineffective = checked.Renewed, checked.Ineffective
	c.Pings += j.Intake.Pings.Ignored()
	return c
}

// Meters are the counts now.
func (j *Judge) Meters() Meters {
	m := Meters{
		Events: map[string]uint64{}, Observations: map[string]uint64{}, Verdicts: maps.Clone(j.meters.verdicts),
		Scores: j.table.Stats(), Accounts: j.Places.Accounts(), Counters: j.Counters(),
	}
	slowly := j.Slow.Stats()
	m.Refused = map[string]uint64{
		"calls": j.Calls.Refused(), "evidence": m.Scores.Short, "guesses": slowly.Evicted + slowly.Refused, "suspects": m.Counters.SuspectsRefused,
	}
	for _, k := range event.Kinds() {
		m.Events[k.String()] = j.meters.events[k]
	}
	for _, p := range []score.Proof{score.Spoofable, score.Proven} {
		m.Observations[p.String()] = j.meters.proofs[p]
	}
	for _, t := range j.policy.Thresholds {
		m.Verdicts[t.Name] += 0
	}
	return m
}
