package daemon

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

// startingFor bounds how long the daemon counts as starting. It is degraded from then on, and
// raises its alarm.
const startingFor = alarmAfter

// learnedAtStart are the checks that must fail until the daemon has a session with Asterisk
// and has asked about its ports. That takes a moment at each start.
var learnedAtStart = []string{"events", "commands", "canary", "ports"}

// state is the value of control.Status.Health for a round of checks. It is Starting until
// all checks have passed once, as long as nothing fails but what has to be learned first.
func (h *health) stateOf(now time.Time, checks []control.Check) string {
	bad := failing(checks)
	if len(bad) == 0 {
		h.ready.Store(true)
		return control.Healthy
	}
	other := func(c control.Check) bool { return !slices.Contains(learnedAtStart, c.Name) }
	if h.ready.Load() || now.Sub(h.since) >= startingFor || slices.ContainsFunc(bad, other) {
		return control.Degraded
	}
	return control.Starting
}
