package daemon

import (
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

// alarmAfter is how long the daemon has to be degraded until an alarm is raised: a
// connection that is back at once is no alarm.
const alarmAfter = 10 * time.Second

// healthState is what has been reported of the health so far.
type healthState struct {
	degraded time.Time // since when; zero while healthy
	logged   string    // the failing checks that the log has
	alarmed  bool      // an alarm was raised
}

// healthChange is what there is to report.
type healthChange struct {
	failing   []control.Check // other checks fail than before
	recovered bool
	lasted    time.Duration // how long it was degraded, if it recovered
	alarm     *alarm
}

// update compares a round of checks with what has been reported.
func (s *healthState) update(now time.Time, checks []control.Check) (change healthChange) {
	bad := failing(checks)
	names := make([]string, len(bad))
	for i, c := range bad {
		names[i] = c.Name
	}
	list := strings.Join(names, ", ")
	switch {
	case len(bad) == 0 && s.logged != "":
		change.recovered, change.lasted = true, now.Sub(s.degraded)
	case list != s.logged:
		change.failing = bad
	}
	s.logged = list
	switch {
	case len(bad) == 0:
		if s.alarmed {
			change.alarm = &alarm{Event: alarmHealthy, At: now, Text: "tollwarden is healthy again after " + now.Sub(s.degraded).Round(time.Second).String()}
		}
		s.degraded, s.alarmed = time.Time{}, false
	case s.degraded.IsZero():
		s.degraded = now
	case !s.alarmed && now.Sub(s.degraded) >= alarmAfter:
		s.alarmed = true
		change.alarm = &alarm{Event: alarmDegraded, At: now, Text: "tollwarden is degraded, an attack might not be stopped now: " + list, Checks: bad}
	}
	return change
}
