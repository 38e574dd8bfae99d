package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// statusLine is the one line for systemctl status.
func (h *health) statusLine(now time.Time, checks []control.Check) string {
	bad := failing(checks)
	if len(bad) == 0 {
		return h.summary()
	}
	parts := make([]string, len(bad))
	for i, c := range bad {
		parts[i] = c.Title() + ": " + c.Detail
	}
	if h.stateOf(now, checks) == control.Starting {
		return "starting: " + strings.Join(parts, "; ")
	}
	return "DEGRADED: " + strings.Join(parts, "; ")
}

func summary(mode config.Mode, bans int) string {
	if mode == config.Observe {
		return fmt.Sprintf("OBSERVING, attacks are not stopped, %s in force", incident.Count(bans, "ban"))
	}
	return fmt.Sprintf("healthy, mode %s, %s in force", mode, incident.Count(bans, "ban"))
}

// feedWatchdog says whether to feed systemd's watchdog. It is not fed if a restart
// could help: if the kernel's table does not drop, or no canary arrives. If
// Asterisk cannot be reached, no canary can arrive, and a restart would only lose
// the scores, so that alone does not starve the watchdog; but a session that was
// ended because it went silent does.
func feedWatchdog(checks []control.Check, canary error) bool {
	ok := map[string]bool{}
	for _, c := range checks {
		ok[c.Name] = c.OK
	}
	return ok["kernel"] && (ok["canary"] || !ok["events"] && !errors.Is(canary, errDeaf))
}
