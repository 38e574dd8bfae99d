package responder

import (
	"maps"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

// DropBounds are the upper bounds of the buckets that the times from an event
// to its drop are sorted into.
var DropBounds = []time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second, 5 * time.Second,
}

// Outcome is what became of steps of one kind.
type Outcome struct {
	Step  StepKind
	State State
}

// Meters are counts for monitoring, since the start.
type Meters struct {
	Events       map[string]uint64 // by Asterisk's name of the event
	Observations map[string]uint64 // by proof
	Verdicts     map[string]uint64 // by threshold
	Steps        map[Outcome]uint64
	// Drops counts bans by the time from the event that caused them to their
	// being in the kernel, by index of DropBounds, the last for what took
	// longer; DropTime is the sum of the times.
	Drops    []uint64
	DropTime time.Duration
	Scores   score.Stats
	Accounts int               // whose known places are remembered
	Refused  map[string]uint64 // what did not fit in a full table, by table
	Counters Counters
}

// meters count while the lock is held. Nothing is allocated for an event that
// crosses no threshold.
type meters struct {
	events   [256]uint64 // by event.Kind
	proofs   [2]uint64   // by score.Proof
	verdicts map[string]uint64
	steps    map[Outcome]uint64
	drops    []uint64
	dropTime time.Duration
}

func newMeters() meters {
	return meters{verdicts: map[string]uint64{}, steps: map[Outcome]uint64{}, drops: make([]uint64, len(DropBounds)+1)}
}

func (m *meters) event(k event.Kind)     { m.events[k]++ }
func (m *meters) observed(p score.Proof) { m.proofs[p&1]++ }
func (m *meters) verdict(t string)       { m.verdicts[t]++ }
func (m *meters) step(s *Step)           { m.steps[Outcome{s.Kind, s.State}]++ }

func (m *meters) dropped(took time.Duration) {
	i := 0
	for i < len(DropBounds) && took > DropBounds[i] {
		i++
	}
	m.drops[i]++
	m.dropTime += took
}

// Meters are the counts now.
func (r *Responder) Meters() Meters {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := Meters{
		Events: map[string]uint64{}, Observations: map[string]uint64{},
		Verdicts: maps.Clone(r.meters.verdicts), Steps: maps.Clone(r.meters.steps),
		Drops: append([]uint64(nil), r.meters.drops...), DropTime: r.meters.dropTime,
		Scores: r.table.Stats(), Accounts: r.breakIn.Accounts(), Counters: r.counters,
	}
	m.Refused = map[string]uint64{"calls": r.calls.Refused(), "failures": r.breakIn.Refused(), "evidence": m.Scores.Short}
	for _, k := range event.Kinds() {
		m.Events[k.String()] = r.meters.events[k]
	}
	for _, p := range []score.Proof{score.Spoofable, score.Proven} {
		m.Observations[p.String()] = r.meters.proofs[p]
	}
	for _, t := range r.policy.Thresholds {
		m.Verdicts[t.Name] += 0
	}
	return m
}
