package daemon

import (
	"slices"
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
	alarming time.Time // since when it has been degraded by a check that raises alarms
	alarmed  bool      // one was raised
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
	list := names(bad)
	switch {
	case len(bad) == 0 && s.logged != "":
		change.recovered, change.lasted = true, now.Sub(s.degraded)
	case list != s.logged:
		change.failing = bad
	}
	s.logged = list
	if len(bad) == 0 {
		s.degraded = time.Time{}
	} else if s.degraded.IsZero() {
		s.degraded = now
	}
	change.alarm = s.toRaise(now, slices.DeleteFunc(slices.Clone(bad), hasOwnMessage))
	return change
}

// hasOwnMessage says whether a failing check has an alarm of its own, or is what a person
// asked for.
func hasOwnMessage(c control.Check) bool {
	return c.Name == checkEffectName || c.Name == checkBreakerName || c.Name == checkOrdersName || c.Name == checkPauseName
}

// toRaise is the alarm to raise when these checks fail; nil for none.
func (s *healthState) toRaise(now time.Time, bad []control.Check) *alarm {
	since, alarmed := s.alarming, s.alarmed
	switch {
	case len(bad) == 0:
		s.alarming, s.alarmed = time.Time{}, false
		if alarmed {
			return &alarm{Event: alarmHealthy, At: now, Text: "tollwarden is healthy again after " + now.Sub(since).Round(time.Second).String()}
		}
	case since.IsZero():
		s.alarming = now
	case !alarmed && now.Sub(since) >= alarmAfter:
		s.alarmed = true
		return &alarm{Event: alarmDegraded, At: now, Text: "tollwarden is degraded, an attack might not be stopped now: " + names(bad), Checks: bad}
	}
	return nil
}

func names(checks []control.Check) string {
	list := make([]string, len(checks))
	for i, c := range checks {
		list[i] = c.Title()
	}
	return strings.Join(list, ", ")
}
