package daemon

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/binds"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// statusSource is what status and the metrics are read from.
type statusSource struct {
	version  string
	since    time.Time
	health   *health
	config   *configuration
	engine   *responder.Engine
	ledger   *ledger.Ledger
	kernel   *kernel
	ports    *ports
	sessions *sessions
	wire     *wireSensor
	notifier *notifier
	names    *roster
}

// Status is the daemon's health in one place.
func (d statusSource) Status() control.Status {
	now := time.Now()
	s := control.Status{
		Version: d.version, Mode: string(d.config.mode()), Since: d.since,
		Checks: d.health.checks(now), Firewall: d.firewall(), Asterisk: d.asterisk(now), Counters: d.counters(), Allow: d.config.allow.state(),
	}
	senses := d.engine.Senses(now)
	s.Ineffective, s.Unstopped = ineffectiveBans(senses.Ineffective), d.unstoppedAttacks(senses.Unstopped)
	s.Pause, s.Breaker = pauseOf(senses.Pause), d.breakerOf(senses.Breaker)
	s.Health = d.health.stateOf(now, s.Checks)
	for _, t := range d.config.current.Load().Thresholds {
		if t.Mode == config.Observe {
			s.Observing = append(s.Observing, t.Name)
		}
	}
	if d.config.file != nil {
		c := d.config.file.State()
		s.Config = &c
	}
	return s
}

func (d statusSource) firewall() control.Firewall {
	f := control.Firewall{
		Table: d.config.started.Firewall.Table, Bans: d.engine.Bans.Count(), NetworksClosed: d.engine.Bans.Closed(time.Now()),
		Repairs: d.kernel.state().Repairs, Ports: d.ports.closedPorts(binds.UDP), TCPPorts: d.ports.closedPorts(binds.TCP),
	}
	partial := d.engine.Bans.ListPartial(time.Now())
	f.FlowsBlocked, f.Throttled = countPartial(partial)
	f.Closed = slices.DeleteFunc(partial, func(b incident.PartialBlock) bool { return b.Kind != incident.ClosedAddress })
	if stats, err := d.kernel.table.Stats(); err == nil { // otherwise the checks say why
		f.PacketsDropped, f.BytesDropped = stats.In.Packets+stats.Out.Packets, stats.In.Bytes+stats.Out.Bytes
	}
	return f
}

func (d statusSource) asterisk(now time.Time) control.Asterisk {
	a := control.Asterisk{Events: d.engine.Counters().Events, Gaps: d.sessions.gaps.count.Load(), LastGap: d.sessions.gaps.last.Load()}
	if session := d.sessions.current.Load(); session != nil {
		a.ConnectedSince, a.Version = &session.since, session.version
	}
	if canary := d.sessions.canary.state(now); !canary.heard.IsZero() {
		a.CanaryHeard = &canary.heard
	}
	return a
}

func (d statusSource) counters() map[string]uint64 {
	meters, messages := d.engine.Meters(), d.notifier.post.Counts()
	counters := &meters.Judge.Counters
	list := map[string]uint64{
		"observations": counters.Observations, "verdicts": counters.Verdicts, "incidents": counters.Incidents, "joined_verdicts": counters.Joined,
		"tampered_events": counters.Tampered, "suppressed_verdicts": counters.Suppressed, "grace_period_failures": counters.GracePeriod,
		"log_events": counters.Logged, "events_shed": d.sessions.events.Counters().Shed.Total(), "events_not_issued": counters.NotIssued,
		"bans_over_capacity": meters.NoRoom.Bans, "incidents_over_capacity": meters.NoRoom.Steps,
		"challenges_seen": counters.Challenges, "challenges_misdirected": counters.Misdirected, "bans_confirmed": counters.Confirmed, "bans_spoofable": counters.Spoofable,
		"bans_spoofable_repeated": counters.Repeated, "bans_renewed": counters.Renewed,
		"bans_ineffective": counters.Ineffective, "attacks_unstopped": counters.Unstopped, "flows_dropped": counters.Flows, "addresses_closed": counters.Closings,
		"channels_up": uint64(meters.ChannelsUp), "messages_delivered": messages.Delivered, "messages_pending": messages.Pending, "messages_lost": messages.Lost,
		"ledger_rows_over_capacity": d.ledger.Health().Evicted,
	}
	d.wire.count(list)
	list["wire_failures"], list["suspects"], list["pings_ignored"] = counters.Wire, counters.Suspects, counters.Pings
	list["costly_calls_ended"] = counters.CostlyEnded
	for table, n := range meters.Judge.Refused {
		list[table+"_over_capacity"] = n
	}
	return list
}
