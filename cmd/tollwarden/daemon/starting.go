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

// stateOf is the value of control.Status.Health for a round of checks. It is Starting while
// nothing fails but what has to be learned first, and has not passed before.
func (h *health) stateOf(now time.Time, checks []control.Check) string {
	h.starting.Lock()
	defer h.starting.Unlock()
	state := control.Healthy
	for _, c := range checks {
		switch {
		case c.OK:
			h.passed[c.Name] = true
		case now.Sub(h.since) >= startingFor || h.passed[c.Name] || !slices.Contains(learnedAtStart, c.Name):
			state = control.Degraded
		case state == control.Healthy:
			state = control.Starting
		}
	}
	return state
}
