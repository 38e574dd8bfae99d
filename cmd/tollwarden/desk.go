package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// desk answers the commands for the daemon.
type desk struct{ d *daemon }

// askLedger bounds a question to the ledger.
const askLedger = 10 * time.Second

// Status is the daemon's health in one place.
func (k desk) Status() control.Status {
	d := k.d
	meters := d.engine.Meters()
	counters := &meters.Judge.Counters
	messages := d.notifier.post.Counts()
	s := control.Status{
		Health: control.Healthy, Version: version(), Mode: string(d.cfg.Mode), Since: d.since,
		Firewall: control.Firewall{Table: d.cfg.Firewall.Table, Bans: d.engine.Bans.Count()},
		Asterisk: control.Asterisk{Events: counters.Events, Gaps: d.gaps.Load()},
		Counters: map[string]uint64{
			"observations": counters.Observations, "verdicts": counters.Verdicts, "incidents": counters.Incidents,
			"tampered_events": counters.Tampered, "suppressed_verdicts": counters.Muted, "grace_period_failures": counters.Graced,
			"log_events": counters.Logged, "events_shed": d.events.Counters().Shed.Total(), "events_not_issued": counters.Blinded,
			"bans_over_capacity": meters.NoRoom.Bans, "incidents_over_capacity": meters.NoRoom.Steps,
			"challenges_seen": counters.Challenges, "challenges_misdirected": counters.Misdirected, "bans_confirmed": counters.Proved, "flows_dropped": counters.Flows,
			"channels_up": uint64(meters.ChannelsUp), "messages_delivered": messages.Delivered, "messages_pending": messages.Pending, "messages_lost": messages.Lost,
		},
	}
	for table, n := range meters.Judge.Refused {
		s.Counters[table+"_over_capacity"] = n
	}
	s.Counters["ledger_rows_over_capacity"] = d.ledger.Health().Crowded
	now := time.Now()
	s.Checks = d.checks(now)
	if len(failing(s.Checks)) > 0 {
		s.Health = control.Degraded
	}
	if session := d.listening.Load(); session != nil {
		s.Asterisk.ConnectedSince, s.Asterisk.Version = &session.since, session.version
	}
	s.Asterisk.LastGap = d.lastGap.Load()
	if song := d.canary.song(now); !song.heard.IsZero() {
		s.Asterisk.CanaryHeard = &song.heard
	}
	if stats, err := d.table.Stats(); err == nil { // else the checks say it
		s.Firewall.PacketsDropped, s.Firewall.BytesDropped = stats.In.Packets+stats.Out.Packets, stats.In.Bytes+stats.Out.Bytes
	}
	if d.kernelGuard != nil {
		state := d.kernelGuard.State()
		s.Firewall.Repairs = state.Repairs
	}
	if d.file != nil {
		c := d.file.state()
		s.Config = &c
	}
	s.Allow = d.allow.state()
	return s
}

// Reload reads the configuration again.
func (k desk) Reload(uint32) (control.Changed, error) {
	message, err := k.d.reload()
	if err != nil {
		return control.Changed{}, control.Refusal(err.Error())
	}
	return control.Changed{Message: message}, nil
}

// maxHits is how many bans the kernel is asked about for one list: 5 µs each.
const maxHits = 100_000

// Bans are the bans in force, newest first, and what each has dropped.
func (k desk) Bans() []incident.Ban {
	shown := k.d.engine.Bans.List(time.Now())
	hits, err := k.d.table.Hits(plainBans(shown[:min(len(shown), maxHits)]))
	if err != nil {
		return shown // the checks say what is wrong with the table
	}
	for i := range shown {
		if n, ok := hits[shown[i].Prefix]; ok {
			shown[i].Packets = &n
		}
	}
	return shown
}

// Incidents are the newest incidents.
func (k desk) Incidents(limit int) ([]incident.Incident, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLedger)
	defer cancel()
	list, err := k.d.ledger.Incidents(ctx, limit)
	if list == nil {
		list = []incident.Incident{}
	}
	return list, incomplete(err)
}

// Incident is one incident with its evidence.
func (k desk) Incident(id int64) (incident.Incident, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLedger)
	defer cancel()
	i, err := k.d.ledger.Incident(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrNoIncident):
		return i, control.Refusal(fmt.Sprintf("there is no incident %d: `tollwarden incidents` lists them", id))
	case i.ID == 0:
		return i, err
	default:
		return i, incomplete(err)
	}
}

// incomplete makes an error of the ledger that came with an answer one that the
// commands show beside it.
func incomplete(err error) error {
	if errors.Is(err, ledger.ErrBehind) {
		return control.Incomplete(err.Error())
	}
	return err
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
	ban, err := k.d.engine.Bans.Ban(o.Prefix, until, o.Reason, o.Force, uid)
	if err != nil {
		return control.Changed{}, refusal(err)
	}
	return k.kept(control.Changed{
		Bans: []incident.Ban{ban}, Message: fmt.Sprintf("banned %s, %s", incident.PrefixText(ban.Prefix), untilWords(ban.Until)),
	})
}

// harm is what a ban would do to the person who asks for it, or to us.
func (k desk) harm(o control.BanOrder) string {
	for _, host := range k.d.allow.managerHosts(context.Background()) {
		if o.Prefix.Overlaps(host) {
			return incident.PrefixText(host) + " is the manager interface that the daemon listens to: without it nothing would be seen"
		}
	}
	if o.Operator.IsValid() && o.Prefix.Contains(o.Operator) {
		return o.Operator.String() + " is where you are logged in from: the ban would cut your own session"
	}
	for _, session := range o.Sessions {
		if o.Prefix.Contains(session) {
			return "somebody is logged in by SSH from " + session.String() + ": the ban would cut that session"
		}
	}
	return ""
}

// Unban releases one ban, or all of them.
func (k desk) Unban(uid uint32, o control.UnbanOrder) (control.Changed, error) {
	unban := func() ([]incident.Ban, int, error) { return k.d.engine.Bans.Unban(o.Prefix, o.Forgive, uid) }
	if o.All {
		unban = func() ([]incident.Ban, int, error) { return k.d.engine.Bans.UnbanAll(o.Forgive, uid) }
	}
	bans, forgiven, err := unban()
	if err != nil {
		return control.Changed{Bans: bans}, refusal(err)
	}
	message := "released " + incident.Count(len(bans), "ban")
	switch {
	case len(bans) == 1:
		message = "released " + incident.PrefixText(bans[0].Prefix)
	case !o.All && len(bans) == 0:
		message = incident.PrefixText(o.Prefix) + " was not banned"
	}
	if held := k.d.engine.Bans.StillHeld(o.Prefix); !o.All && held != "" {
		message += "; " + held
	}
	if o.Forgive {
		message += "; forgotten are the score and " + incident.Count(forgiven, "offence")
	}
	return k.kept(control.Changed{Bans: bans, Message: message})
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
	if errors.Is(err, incident.ErrRefused) {
		return control.Refusal(err.Error())
	}
	return err
}
