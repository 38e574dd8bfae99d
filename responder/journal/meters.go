package journal

import (
	"maps"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
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
	Step  incident.StepKind
	State incident.State
}

// Meters are counts for monitoring, since the start.
type Meters struct {
	Steps map[Outcome]uint64
	// Drops counts bans by the time from the event that caused them to their
	// being in the kernel, by index of DropBounds, the last for what took
	// longer; DropTime is the sum of the times.
	Drops    []uint64
	DropTime time.Duration
	Refused  uint64 // deliveries for which the queue had no room
}

// Meters are the counts now.
func (j *Journal) Meters() Meters {
	return Meters{maps.Clone(j.meters.steps), slices.Clone(j.meters.drops), j.meters.dropTime, j.meters.refused}
}

type meters struct {
	steps    map[Outcome]uint64
	drops    []uint64
	dropTime time.Duration
	refused  uint64
}

func newMeters() meters {
	return meters{steps: map[Outcome]uint64{}, drops: make([]uint64, len(DropBounds)+1)}
}

func (m *meters) step(s *incident.Step) { m.steps[Outcome{s.Step, s.State}]++ }

func (m *meters) dropped(took time.Duration) {
	i := 0
	for i < len(DropBounds) && took > DropBounds[i] {
		i++
	}
	m.drops[i]++
	m.dropTime += took
}
