package main

import (
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/web"
)

// reading is the daemon as /healthz and /metrics read it.
type reading struct{ d *daemon }

// Checks are those of status.
func (r reading) Checks() []control.Check { return r.d.checks(time.Now()) }

// Reading gathers what the metrics tell.
func (r reading) Reading() web.Reading {
	d, now := r.d, time.Now()
	meters := d.engine.Meters()
	song, ledger := d.canary.song(now), d.ledger.Health()
	out := web.Reading{
		Version: version(), Mode: string(d.cfg.Mode), Checks: d.checks(now), Meters: meters,
		Bans: d.engine.Bans.Count(), Channels: meters.ChannelsUp,
		Gaps: d.gaps.Load(), GapTime: time.Duration(d.blind.Load()),
		Sessions:  map[string]web.Session{"events": d.session(d.events), "commands": d.session(d.commands)},
		Refused:   d.events.Counters().Refused.Load() + d.commands.Counters().Refused.Load(),
		CanaryAge: -1, Lost: song.lost, Unsent: song.unsent,
		LedgerLag: ledger.Lag, LedgerPending: ledger.Pending, LedgerDropped: ledger.Dropped, LedgerCrowded: ledger.Crowded,
		AlarmsDelivered: d.herald.told.Load(), AlarmsFailed: d.herald.failed.Load(),
	}
	shed := &d.events.Counters().Shed
	out.Shed = map[string]uint64{event.ChallengeSent.String(): shed.ChallengeSent.Load(), event.InvalidAccountID.String(): shed.InvalidAccountID.Load()}
	out.Messages = d.notifier.post.Counts()
	if !song.heard.IsZero() {
		out.CanaryAge = now.Sub(song.heard)
	}
	if stats, err := d.table.Stats(); err == nil { // else check_ok tells
		out.Dropped = map[string]web.Traffic{"in": web.Traffic(stats.In), "out": web.Traffic(stats.Out)}
	}
	if d.second != nil {
		out.LongLines = d.second.Health().TooLong
	}
	if d.kernelGuard != nil {
		state := d.kernelGuard.State()
		out.Repairs, out.Probes = state.Repairs, state.Probes
	}
	if d.file != nil {
		c := d.file.state()
		out.ConfigLoaded, out.ConfigChanged, out.ConfigRefused = c.Loaded, c.Changed, c.Refused != ""
	}
	return out
}

func (d *daemon) session(s *ami.Dialer) web.Session {
	c := s.Counters()
	return web.Session{Blocks: c.Blocks.Load(), Damaged: c.Damaged.Load(), Logins: c.Logins.Load()}
}
