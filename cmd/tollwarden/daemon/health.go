package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

const (
	// checkEvery is how often the daemon checks its own health.
	checkEvery = time.Second
	// filesEvery is how often it checks files among that: people change them by
	// hand.
	filesEvery = 10 * time.Second
)

// probe is one check. It may be called from any goroutine.
type probe struct {
	check func(now time.Time) control.Check
	every time.Duration // how long its last result serves the loop; 0: not at all
}

// health checks what must hold for the daemon to stop an attack now, which status,
// /healthz, the metrics, systemd and the alarms all say. It reports changes to the
// log, to systemd and to the receivers.
type health struct {
	probes  []probe
	since   time.Time // when the daemon was started
	canary  *canary
	alarm   func(alarm)
	tick    func(now time.Time) // called with each round of checks
	summary func() string       // of a healthy daemon
	systemd func(state string)
	log     zerolog.Logger

	starting sync.Mutex
	passed   map[string]bool // checks that have passed once
}

func newHealth(probes []probe, alarm func(alarm), log zerolog.Logger) *health {
	return &health{
		probes: probes, since: time.Now(), passed: map[string]bool{}, alarm: alarm, log: log,
		systemd: func(state string) { _, _ = systemd.SdNotify(false, state) }, // it is no failure to run without systemd
	}
}

// checks are all checks as of now.
func (h *health) checks(now time.Time) []control.Check {
	checks := make([]control.Check, len(h.probes))
	for i, p := range h.probes {
		checks[i] = p.check(now)
	}
	return checks
}

func failing(checks []control.Check) []control.Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c control.Check) bool { return c.OK })
}

// run checks the health until ctx ends.
func (h *health) run(ctx context.Context) error {
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		h.log.Error().Err(err).Msg("systemd's watchdog")
	}
	h.watch(ctx, watchdog > 0)
	return nil
}

func (h *health) watch(ctx context.Context, watchdog bool) {
	var state healthState
	status, checks, at := "", h.checks(time.Now()), slices.Repeat([]time.Time{time.Now()}, len(h.probes))
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for i, p := range h.probes {
				if now.Sub(at[i]) >= p.every {
					checks[i], at[i] = p.check(now), now
				}
			}
			if h.stateOf(now, checks) != control.Starting {
				h.report(state.update(now, checks))
			}
			h.tick(now)
			if watchdog && feedWatchdog(checks, h.canary.state(now).err) {
				h.systemd(systemd.SdNotifyWatchdog)
			}
			if s := h.statusLine(now, checks); s != status {
				status = s
				h.systemd("STATUS=" + s)
			}
		}
	}
}

// report logs a change and raises its alarm.
func (h *health) report(c healthChange) {
	if c.recovered {
		h.log.Info().Dur("degraded_ms", c.lasted).Msg("healthy again")
	}
	if len(c.failing) > 0 {
		event := h.log.Error()
		for _, check := range c.failing {
			event = event.Str(check.Name, check.Detail)
		}
		event.Msg("degraded: an attack might not be stopped now")
	}
	if c.alarm != nil {
		h.alarm(*c.alarm)
	}
}

func checkLedger(h ledger.Health) control.Check {
	switch {
	case !h.OK():
		return control.Check{Name: "ledger", Detail: fmt.Sprintf("%v (%s pending, the oldest for %s)", h.Err, incident.Count(h.Pending, "row"), h.Lag.Round(time.Second))}
	case h.Damage != "":
		return control.Check{Name: "ledger", Detail: h.Damage}
	}
	return control.Check{Name: "ledger", OK: true, Detail: "up to date"}
}

// checkPasswords never fails: attacks are stopped all the same.
func checkPasswords(stolen []string) control.Check {
	check := control.Check{Name: "passwords", OK: true, Detail: "none is known to be stolen"}
	if len(stolen) > 0 {
		var accounts []string
		for _, words := range stolen {
			if name, _, _ := strings.Cut(words, ": "); !slices.Contains(accounts, name) {
				accounts = append(accounts, name)
			}
		}
		check.Detail = strings.Join(stolen, "; ") + ": change it with " + perAccount(accounts, "rotate") + ", or by hand followed by " + perAccount(accounts, "unlock")
	}
	return check
}

// perAccount writes a command for the first of some accounts, as a person can copy it.
func perAccount(accounts []string, command string, more ...string) string {
	if len(accounts) == 0 {
		return ""
	}
	text := incident.AccountCommand(command, accounts[0], more...)
	if len(accounts) > 1 {
		text += " (and likewise for the others)"
	}
	return text
}

// checkPhones never fails: without addresses, guessers are acted on all the same.
func checkPhones(_ time.Time, s responder.Senses) control.Check {
	check := control.Check{Name: "phones", OK: true, Detail: "not all at one address"}
	if s.Front != "" {
		check.Detail = s.Front
	}
	return check
}

func ago(now, then time.Time) string { return now.Sub(then).Round(time.Second).String() + " ago" }
