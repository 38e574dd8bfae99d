package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// desk answers the commands for the daemon.
type desk struct{ d *daemon }

// askLedger bounds a question to the ledger.
const askLedger = 10 * time.Second

// Status is the daemon's health in one place.
func (k desk) Status() control.Status {
	d := k.d
	counters := d.responder.Counters()
	s := control.Status{
		Health: control.Healthy, Version: version(), Mode: string(d.cfg.Mode), Since: d.since,
		Firewall: control.Firewall{Table: d.cfg.Firewall.Table, Bans: len(d.responder.Bans(time.Now()))},
		Asterisk: control.Asterisk{Events: counters.Events, Gaps: d.gaps.Load()},
		Counters: map[string]uint64{
			"observations": counters.Observations, "verdicts": counters.Verdicts, "incidents": counters.Incidents,
			"tampered_blocks": counters.Tampered, "muted_verdicts": counters.Muted, "graced_failures": counters.Graced,
			"log_events": counters.Logged, "events_not_issued": counters.Blinded,
			"bans_over_capacity": counters.LaneFull, "incidents_over_capacity": counters.JobsRefused,
			"challenges_seen": counters.Challenges, "suspects_over_capacity": counters.SuspectsRefused, "bans_proved": counters.Proved,
			"channels_up": uint64(d.responder.ChannelsUp()),
		},
	}
	s.Checks = []control.Check{k.events(&s.Asterisk), k.commands(), k.kernel(&s.Firewall), k.proof(), k.records(), k.eyes(time.Now())}
	if slices.ContainsFunc(s.Checks, func(c control.Check) bool { return !c.OK }) {
		s.Health = control.Degraded
	}
	return s
}

func (k desk) events(a *control.Asterisk) control.Check {
	c := control.Check{Name: "events", Detail: "no event session: attacks are not seen"}
	if session := k.d.listening.Load(); session != nil {
		a.ConnectedSince, a.Version = &session.since, session.version
		c.OK, c.Detail = true, "listening to "+session.version
	}
	return c
}

func (k desk) commands() control.Check {
	if k.d.pbx.connected() {
		return control.Check{Name: "commands", OK: true, Detail: "connected"}
	}
	return control.Check{Name: "commands", Detail: "no command session: calls cannot be hung up, secrets not changed"}
}

func (k desk) kernel(f *control.Firewall) control.Check {
	c := control.Check{Name: "kernel"}
	stats, err := k.d.table.Stats()
	if err == nil {
		f.PacketsDropped, f.BytesDropped = stats.In.Packets+stats.Out.Packets, stats.In.Bytes+stats.Out.Bytes
		var wrong []string
		if wrong, err = k.d.table.Verify(time.Now()); err == nil && len(wrong) > 0 {
			err = errors.New(wrong[0])
		}
	}
	switch {
	case err != nil:
		c.Detail = err.Error()
	case k.d.cfg.Mode == config.Observe:
		c.OK, c.Detail = true, "mode observe: nothing is dropped"
	default:
		c.OK, c.Detail = true, "the table is as it should be"
	}
	return c
}

func (k desk) records() control.Check {
	h := k.d.ledger.Health()
	if h.OK() {
		return control.Check{Name: "ledger", OK: true, Detail: "up to date"}
	}
	return control.Check{Name: "ledger", Detail: fmt.Sprintf("%v (%d rows wait, the oldest for %s)", h.Err, h.Pending, h.Lag.Round(time.Second))}
}

// Bans are the bans in force, newest first.
func (k desk) Bans() []control.Ban {
	return showBans(k.d.responder.Bans(time.Now()))
}

// Incidents are the newest incidents.
func (k desk) Incidents(limit int) ([]control.Incident, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLedger)
	defer cancel()
	rows, err := k.d.ledger.Incidents(ctx, ledger.IncidentFilter{Limit: limit})
	list := make([]control.Incident, len(rows))
	for i := range rows {
		list[i] = showRow(&rows[i])
	}
	return list, err
}

// Incident is one incident with its evidence.
func (k desk) Incident(id int64) (control.Incident, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLedger)
	defer cancel()
	row, err := k.d.ledger.Incident(ctx, id)
	if errors.Is(err, ledger.ErrNoIncident) {
		return control.Incident{}, control.Refusal(fmt.Sprintf("there is no incident %d: `tollwarden incidents` lists them", id))
	}
	return showRow(&row), err
}

// Ban drops a prefix at an operator's word.
func (k desk) Ban(uid uint32, o control.BanOrder) (control.Changed, error) {
	now := time.Now()
	d, err := config.ParseBanTime(o.For)
	if err != nil {
		return control.Changed{}, control.Refusal(fmt.Sprintf("--for %q: %v", o.For, err))
	}
	var until time.Time
	if d > 0 {
		until = now.Add(d)
	}
	if why := k.harm(o); why != "" && !o.Force {
		return control.Changed{}, control.Refusal("refused: " + why + "; --force bans it all the same")
	}
	ban, err := k.d.responder.Ban(o.Prefix, until, o.Reason, o.Force, uid)
	if err != nil {
		return control.Changed{}, refusal(err)
	}
	shown := showBans([]responder.Ban{ban})
	return k.kept(control.Changed{Bans: shown, Message: fmt.Sprintf("banned %s, %s", showPrefix(ban.Prefix), untilWords(shown[0].Until))})
}

// harm is what a ban would do to the person who asks for it, or to us.
func (k desk) harm(o control.BanOrder) string {
	if host, ok := managerHost(k.d.cfg); ok && o.Prefix.Overlaps(host) {
		return showPrefix(host) + " is the manager interface that the daemon listens to: without it nothing would be seen"
	}
	if o.Operator.IsValid() && o.Prefix.Contains(o.Operator) {
		return o.Operator.String() + " is where you are logged in from: the ban would cut your own session"
	}
	return ""
}

// Unban releases one ban, or all of them.
func (k desk) Unban(uid uint32, o control.UnbanOrder) (control.Changed, error) {
	unban := func() ([]responder.Ban, int, error) { return k.d.responder.Unban(o.Prefix, o.Forgive, uid) }
	if o.All {
		unban = func() ([]responder.Ban, int, error) { return k.d.responder.UnbanAll(o.Forgive, uid) }
	}
	bans, forgiven, err := unban()
	if err != nil {
		return control.Changed{Bans: showBans(bans)}, refusal(err)
	}
	message := fmt.Sprintf("released %d bans", len(bans))
	switch {
	case len(bans) == 1:
		message = "released " + showPrefix(bans[0].Prefix)
	case !o.All && len(bans) == 0:
		message = showPrefix(o.Prefix) + " was not banned"
	}
	if o.Forgive {
		message += fmt.Sprintf("; the score and %d offences are forgotten", forgiven)
	}
	return k.kept(control.Changed{Bans: showBans(bans), Message: message})
}

// kept waits until the change is in the ledger. The change itself holds
// already, so that a slow or broken disk is told and is no failure.
func (k desk) kept(c control.Changed) (control.Changed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := k.d.ledger.Flush(ctx); err != nil {
		c.Message += " (in force, but not yet on the disk: " + err.Error() + ")"
	}
	return c, nil
}

func refusal(err error) error {
	if errors.Is(err, responder.ErrRefused) {
		return control.Refusal(err.Error())
	}
	return err
}
