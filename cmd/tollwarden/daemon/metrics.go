package daemon

import (
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/web"
)

// metricsSource is the daemon as /healthz and /metrics read it.
type metricsSource struct {
	statusSource
	alarms    *alarmNotifier
	logSensor *logSensor
}

// Health is that of status, but for mode observe, in which no attack would be stopped.
func (m metricsSource) Health() (state string, checks []control.Check) {
	now := time.Now()
	checks = m.health.checks(now)
	if state = m.health.stateOf(now, checks); state == control.Healthy && m.config.mode() == config.Observe {
		state = control.Observing
	}
	return state, checks
}

// Reading collects the metrics.
func (m metricsSource) Reading() web.Reading {
	now := time.Now()
	meters, senses, guard, health := m.engine.Meters(), m.engine.Senses(now), m.kernel.state(), m.ledger.Health()
	events, commands := m.sessions.events.Counters(), m.sessions.commands.Counters()
	r := web.Reading{
		Version: m.version, Mode: string(m.config.mode()), Checks: m.health.checks(now), Meters: meters,
		Bans: m.engine.Bans.Count(), Closed: m.engine.Bans.Closed(now), Ineffective: len(senses.Ineffective), Unstopped: len(senses.Unstopped), Broken: len(senses.Broken), Channels: meters.ChannelsUp, Repairs: guard.Repairs, Probes: guard.Probes,
		Gaps: m.sessions.gaps.count.Load(), GapTime: time.Duration(m.sessions.gaps.length.Load()),
		Sessions: map[string]web.Session{"events": sessionMetrics(events), "commands": sessionMetrics(commands)},
		Refused:  events.Refused.Load() + commands.Refused.Load(),
		Shed: map[string]uint64{
			event.ChallengeSent.String(): events.Shed.ChallengeSent.Load(), event.InvalidAccountID.String(): events.Shed.InvalidAccountID.Load(),
		},
		LongLines: m.logSensor.longLines(),
		LedgerLag: health.Lag, LedgerPending: health.Pending, LedgerDropped: health.Dropped, LedgerEvicted: health.Evicted,
		AlarmsDelivered: m.alarms.delivered.Load(), AlarmsFailed: m.alarms.failed.Load(), Messages: m.notifier.post.Counts(),
	}
	used := spendingOf(now, m.engine.Spending(now), nil)
	r.Spending, r.Blocked = used.List, len(used.Blocked)
	r.Paused, r.Waiting = !senses.Pause.Until.IsZero(), len(senses.Breaker.Waiting)
	canary := m.sessions.canary.state(now)
	r.Lost, r.Unsent, r.CanaryAge = canary.lost, canary.unsent, -1
	if !canary.heard.IsZero() {
		r.CanaryAge = now.Sub(canary.heard)
	}
	if stats, err := m.kernel.table.Stats(); err == nil { // otherwise check_ok says so
		r.Dropped = map[string]web.Traffic{"in": web.Traffic(stats.In), "out": web.Traffic(stats.Out)}
	}
	r.Withheld = map[string]uint64{"guess": m.wire.throttle.guesses.Load(), "misdirected": m.wire.throttle.misdirected.Load()}
	if m.config.file != nil {
		c := m.config.file.State()
		r.ConfigLoaded, r.ConfigChanged, r.ConfigRefused = c.Loaded, c.Changed, c.Refused != ""
	}
	return r
}

func sessionMetrics(c *ami.Counters) web.Session {
	return web.Session{Blocks: c.Blocks.Load(), Damaged: c.Damaged.Load(), Logins: c.Logins.Load()}
}
