package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

const (
	// lookEvery is how often the daemon looks at its own health.
	lookEvery = time.Second
	// filesEvery is how often it looks at the files of others among that: they
	// change by a person's hand.
	filesEvery = 10 * time.Second
	// alarmAfter is how long it has to be degraded before somebody is told: a
	// connection that is back at once is no alarm.
	alarmAfter = 10 * time.Second
)

// checks are what must hold for the daemon to stop an attack now. They are
// what status, /healthz, the metrics, systemd and the alarms all say.
func (d *daemon) checks(now time.Time) []control.Check { return d.checksBeside(d.checkFiles(), now) }

// checksBeside are the checks beside that of the files.
func (d *daemon) checksBeside(files control.Check, now time.Time) []control.Check {
	return []control.Check{d.checkEvents(), d.checkCommands(), d.checkCanary(now), d.checkKernel(now), files, desk{d}.proof(now), d.checkLedger(), desk{d}.eyes(now)}
}

func failing(checks []control.Check) []control.Check {
	var bad []control.Check
	for _, c := range checks {
		if !c.OK {
			bad = append(bad, c)
		}
	}
	return bad
}

func (d *daemon) checkEvents() control.Check {
	c := control.Check{Name: "events", Detail: "no event session: attacks are not seen"}
	if session := d.listening.Load(); session != nil {
		c.OK, c.Detail = true, "listening to "+session.version+d.passedOver()
	}
	return c
}

func (d *daemon) checkCommands() control.Check {
	if d.link.Connected() {
		return control.Check{Name: "commands", OK: true, Detail: "connected"}
	}
	return control.Check{Name: "commands", Detail: "no command session: calls cannot be hung up, secrets not changed"}
}

func (d *daemon) checkCanary(now time.Time) control.Check {
	c := control.Check{Name: "canary"}
	song := d.canary.song(now)
	switch {
	case song.trouble != nil:
		c.Detail = song.trouble.Error()
	case song.heard.IsZero():
		c.Detail = "none was heard yet"
	case song.overdue:
		c.Detail = "the last one was heard " + ago(now, song.heard)
	default:
		c.OK, c.Detail = true, "an event of our own came through "+ago(now, song.heard)
	}
	return c
}

func (d *daemon) checkKernel(now time.Time) control.Check {
	c := control.Check{Name: "kernel"}
	if d.kernelGuard == nil {
		c.OK, c.Detail = true, "not concerned: mode "+string(d.cfg.Mode)+", with drops in memory alone"
		return c
	}
	state := d.kernelGuard.State()
	switch {
	case state.Trouble != nil:
		c.Detail = state.Trouble.Error()
	case state.Checked.IsZero():
		c.Detail = "not looked at yet"
	case now.Sub(state.Checked) > 2*state.Interval+alarmAfter:
		c.Detail = "last looked at " + ago(now, state.Checked)
	default:
		c.OK, c.Detail = true, "the table is as it should be, and a banned address was dropped "+ago(now, state.Checked)
	}
	if state.Repairs > 0 {
		c.Detail += fmt.Sprintf("; restored %s, last %s: %s", incident.Count(int(state.Repairs), "time"), ago(now, state.Last.At), state.Last)
	}
	if len(state.EarlierChains) > 0 {
		c.Detail += "; others see packets before us: " + strings.Join(state.EarlierChains, ", ")
	}
	return c
}

func (d *daemon) checkLedger() control.Check {
	h := d.ledger.Health()
	if h.OK() && h.Damage != "" {
		return control.Check{Name: "ledger", Detail: h.Damage}
	}
	if h.OK() {
		return control.Check{Name: "ledger", OK: true, Detail: "up to date"}
	}
	return control.Check{Name: "ledger", Detail: fmt.Sprintf("%v (%d rows wait, the oldest for %s)", h.Err, h.Pending, h.Lag.Round(time.Second))}
}

func ago(now, then time.Time) string { return now.Sub(then).Round(time.Second).String() + " ago" }

// watchHealth looks at the daemon's health until ctx ends, and tells the log,
// systemd and the receiver of its changes. systemd's watchdog is fed only while
// a restart could not help: see alive.
func (d *daemon) watchHealth(ctx context.Context) error {
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Error().Err(err).Msg("systemd's watchdog")
	}
	v, o := vigil{}, overload{}
	status := ""
	files, looked := d.checkFiles(), time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if now.Sub(looked) >= filesEvery {
				files, looked = d.checkFiles(), now
			}
			checks := d.checksBeside(files, now)
			d.announce(&v, now, checks)
			o.look(now, d)
			if limit > 0 && alive(checks, d.canary.song(now).trouble) {
				_, _ = systemd.SdNotify(false, systemd.SdNotifyWatchdog)
			}
			if s := d.summary(now, checks); s != status {
				status = s
				_, _ = systemd.SdNotify(false, "STATUS="+s)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// alive says whether systemd's watchdog is to be fed: the responder answers, as
// checks were made at all, the kernel's table drops, and the canary sings.
// Where Asterisk itself cannot be reached no canary can; a restart would only
// lose the scores, so that this alone does not starve the watchdog. But a
// session that is given up because it is deaf does not feed it in between.
func alive(checks []control.Check, canary error) bool {
	ok := map[string]bool{}
	for _, c := range checks {
		ok[c.Name] = c.OK
	}
	return ok["kernel"] && (ok["canary"] || !ok["events"] && !errors.Is(canary, errDeaf))
}

// vigil is what has been said of the health so far.
type vigil struct {
	degraded time.Time // since when; zero while healthy
	said     string    // the failing checks that the log knows of
	alarmed  bool      // somebody was told that it is degraded
}

// announce tells of changes.
func (d *daemon) announce(v *vigil, now time.Time, checks []control.Check) {
	bad := failing(checks)
	names := make([]string, len(bad))
	for i, c := range bad {
		names[i] = c.Name
	}
	said := strings.Join(names, ", ")
	switch {
	case len(bad) == 0 && v.said != "":
		d.log.Info().Dur("degraded_ms", now.Sub(v.degraded)).Msg("healthy again")
	case len(bad) > 0 && said != v.said:
		event := d.log.Error()
		for _, c := range bad {
			event = event.Str(c.Name, c.Detail)
		}
		event.Msg("degraded: an attack might not be stopped now")
	}
	v.said = said
	switch {
	case len(bad) == 0:
		if v.alarmed {
			d.herald.tell(alarm{Event: alarmHealthy, At: now, Text: "tollwarden is healthy again after " + now.Sub(v.degraded).Round(time.Second).String()})
		}
		v.degraded, v.alarmed = time.Time{}, false
	case v.degraded.IsZero():
		v.degraded = now
	case !v.alarmed && now.Sub(v.degraded) >= alarmAfter:
		v.alarmed = true
		d.herald.tell(alarm{Event: alarmDegraded, At: now, Text: "tollwarden is degraded, an attack might not be stopped now: " + said, Checks: bad})
	}
}

// summary is one line for systemctl status.
func (d *daemon) summary(now time.Time, checks []control.Check) string {
	bad := failing(checks)
	if len(bad) == 0 {
		return fmt.Sprintf("healthy, mode %s, %d bans in force", d.cfg.Mode, d.engine.Bans.Count())
	}
	parts := make([]string, len(bad))
	for i, c := range bad {
		parts[i] = c.Name + ": " + c.Detail
	}
	return "DEGRADED: " + strings.Join(slices.Compact(parts), "; ")
}

// gap tells of a time without events.
func (d *daemon) gap(from, to time.Time) {
	d.gaps.Add(1)
	d.blind.Add(int64(to.Sub(from)))
	d.lastGap.Store(&control.Gap{From: from, To: to})
	log := ""
	if d.second != nil && d.second.Health().Err == nil {
		log = "Asterisk's log is read for that time, as far as it goes back"
	}
	d.engine.Gap(from, to, log)
	if to.Sub(from) >= alarmAfter {
		d.herald.tell(alarm{Event: alarmGap, At: to, Text: fmt.Sprintf("no events were heard from %s to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))})
	}
}
