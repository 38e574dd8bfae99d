package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Reading is the daemon at one moment, as the metrics tell it.
type Reading struct {
	Version string
	Mode    string
	Checks  []control.Check
	Meters  responder.Meters

	Bans      int
	Channels  int
	Dropped   map[string]Traffic // by direction: in, out
	Repairs   uint64             // of the kernel's table
	Probes    uint64             // that proved a drop
	Gaps      uint64
	Blind     time.Duration // in gaps
	Sessions  map[string]Session
	Shed      map[string]uint64 // events passed over under overload, by name
	CanaryAge time.Duration     // negative: none was heard yet
	Refused   uint64            // actions for Asterisk that too many others were under way for
	LongLines uint64            // of Asterisk's log, passed over
	Lost      uint64            // canaries not heard
	Unsent    uint64            // canaries that could not be sent

	LedgerLag     time.Duration
	LedgerPending int
	LedgerDropped map[string]uint64 // rows, by kind
	LedgerCrowded uint64            // rows pruned before their time

	AlarmsTold, AlarmsFailed uint64
	Messages                 notify.Counts
	ConfigLoaded             time.Time // zero: of no file
	ConfigChanged            bool
	ConfigRefused            bool
}

// Traffic is what the kernel has dropped.
type Traffic struct{ Packets, Bytes uint64 }

// Session counts what happened on one of the manager sessions.
type Session struct{ Blocks, Damaged, Logins uint64 }

// collector makes metrics of readings.
type collector struct{ source Source }

// Describe sends nothing: which metrics there are shows each reading.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads once and tells all of it.
func (c collector) Collect(out chan<- prometheus.Metric) {
	r := c.source.Reading()
	t := teller{out}
	t.gauge("build_info", "The version that runs; always 1.", 1, "version", r.Version, "mode", r.Mode)
	t.health(&r)
	t.sight(&r)
	t.decisions(&r)
	t.kernel(&r)
	t.records(&r)
}

func (t teller) health(r *Reading) {
	healthy := 1.0
	for _, c := range r.Checks {
		ok := 1.0
		if !c.OK {
			ok, healthy = 0, 0
		}
		t.gauge("check_ok", "Whether a check of `tollwarden status` passes.", ok, "check", c.Name)
	}
	t.gauge("healthy", "Whether the daemon would stop an attack now: every check passes.", healthy)
	if r.CanaryAge >= 0 {
		t.gauge("canary_age_seconds", "Time since an event of the daemon's own last came through Asterisk.", r.CanaryAge.Seconds())
	}
	t.counter("canaries_lost_total", "Canaries that Asterisk took and that did not come through.", r.Lost)
	t.counter("canaries_unsent_total", "Canaries that could not be sent.", r.Unsent)
	t.counter("alarms_told_total", "Alarms about the daemon itself that were delivered.", r.AlarmsTold)
	t.counter("alarms_failed_total", "Alarms about the daemon itself that could not be delivered.", r.AlarmsFailed)
	t.counter("messages_told_total", "Messages that a receiver got, singly or in a digest.", r.Messages.Delivered)
	t.counter("messages_lost_total", "Messages that a receiver did not get, after all tries.", r.Messages.Lost)
	t.gauge("messages_waiting", "Messages that wait for a receiver that does not answer, or for a digest.", float64(r.Messages.Pending))
	t.gauge("messages_unanswered", "Messages that wait for a receiver that does not answer.", float64(r.Messages.Unanswered))
	if !r.ConfigLoaded.IsZero() {
		t.gauge("config_loaded_timestamp_seconds", "When the configuration in force was read.", float64(r.ConfigLoaded.UnixMilli())/1000)
		t.gauge("config_changed", "Whether the file is another than what is in force.", number(r.ConfigChanged))
		t.gauge("config_refused", "Whether the last reload was refused.", number(r.ConfigRefused))
	}
}

// sight is what is seen of Asterisk.
func (t teller) sight(r *Reading) {
	for name, n := range r.Meters.Judge.Events {
		t.counter("events_total", "Events of Asterisk that were understood.", n, "event", name)
	}
	for session, s := range r.Sessions {
		t.counter("blocks_total", "Blocks read on a manager session.", s.Blocks, "session", session)
		t.counter("damaged_blocks_total", "Blocks whose framing cannot be believed.", s.Damaged, "session", session)
		t.counter("logins_total", "Logins of a manager session; all but the first are reconnects.", s.Logins, "session", session)
	}
	for name, n := range r.Shed {
		t.counter("events_shed_total", "Events passed over because they came faster than they were handled.", n, "event", name)
	}
	t.counter("log_long_lines_total", "Lines of Asterisk's log that were passed over for their length.", r.LongLines)
	c := &r.Meters.Judge.Counters
	t.counter("tampered_blocks_total", "Events that strangers have written lines into.", c.Tampered)
	t.counter("blinded_events_total", "Security events that Asterisk says it could not issue.", c.Blinded)
	t.counter("gaps_total", "Losses of the event session.", r.Gaps)
	t.counterSeconds("gap_seconds_total", "Time in gaps.", r.Blind)
	t.gauge("channels", "Channels that are up, by the events.", float64(r.Channels))
}

// decisions is what became of it.
func (t teller) decisions(r *Reading) {
	m := &r.Meters.Judge
	for proof, n := range m.Observations {
		t.counter("observations_total", "Observations, by whether their source is certain.", n, "proof", proof)
	}
	for _, per := range []score.Per{score.PerSource, score.PerNetwork, score.PerAccount} {
		k := m.Scores.Keys[per]
		t.gauge("scores_tracked", "Keys with a score.", float64(k.Tracked), "per", per.String())
		t.gauge("scores_capacity", "Keys that fit.", float64(k.Capacity), "per", per.String())
		t.counter("scores_evicted_total", "Keys that had to go for others before their time.", k.Evicted, "per", per.String())
	}
	for table, n := range m.Refused {
		t.counter("table_refusals_total", "What was not remembered because a table was full.", n, "table", table)
	}
	t.gauge("accounts_tracked", "Accounts of which places or failures are remembered.", float64(m.Accounts))
	for threshold, n := range m.Verdicts {
		t.counter("verdicts_total", "Thresholds crossed.", n, "threshold", threshold)
	}
	t.counter("incidents_total", "Incidents.", m.Counters.Incidents)
	t.counter("muted_verdicts_total", "Verdicts on sources already banned.", m.Counters.Muted)
	t.counter("graced_failures_total", "Failures of an account's own places after its secret was changed.", m.Counters.Graced)
	for o, n := range r.Meters.Journal.Steps {
		t.counter("steps_total", "Steps of playbooks, by outcome.", n, "step", string(o.Step), "outcome", string(o.State))
	}
	t.counter("refusals_total", "What was refused because a queue was full.", r.Meters.NoRoom.Bans, "queue", "bans")
	t.counter("refusals_total", "What was refused because a queue was full.", r.Meters.NoRoom.Steps, "queue", "incidents")
	t.counter("refusals_total", "What was refused because a queue was full.", r.Refused, "queue", "actions")
	t.times("event_to_drop_seconds", "Time from an event's arrival to its source's drop in the kernel.", r.Meters.Journal.Drops, r.Meters.Journal.DropTime)
}

func (t teller) kernel(r *Reading) {
	t.gauge("bans", "Bans in force.", float64(r.Bans))
	for direction, n := range r.Dropped {
		t.counter("dropped_packets_total", "Packets dropped, the daemon's own probes among them.", n.Packets, "direction", direction)
		t.counter("dropped_bytes_total", "Bytes dropped.", n.Bytes, "direction", direction)
	}
	t.counter("table_repairs_total", "Times that others had damaged the table and it was restored.", r.Repairs)
	t.counter("probes_total", "Times it was proven that a banned address is dropped.", r.Probes)
}

func (t teller) records(r *Reading) {
	t.gauge("ledger_lag_seconds", "How long the oldest row has waited for the disk.", r.LedgerLag.Seconds())
	t.gauge("ledger_pending_rows", "Rows that wait for the disk.", float64(r.LedgerPending))
	for kind, n := range r.LedgerDropped {
		t.counter("ledger_dropped_rows_total", "Rows lost because they did not fit in memory.", n, "kind", kind)
	}
	t.counter("ledger_crowded_rows_total", "Rows pruned before their time because a table was full.", r.LedgerCrowded)
}

// teller writes metrics under the program's name.
type teller struct{ out chan<- prometheus.Metric }

const namespace = "tollwarden_"

func (t teller) gauge(name, help string, v float64, labels ...string) {
	t.tell(name, help, prometheus.GaugeValue, v, labels)
}

func (t teller) counter(name, help string, n uint64, labels ...string) {
	t.tell(name, help, prometheus.CounterValue, float64(n), labels)
}

func (t teller) counterSeconds(name, help string, d time.Duration) {
	t.tell(name, help, prometheus.CounterValue, d.Seconds(), nil)
}

// tell takes labels as pairs of name and value.
func (t teller) tell(name, help string, kind prometheus.ValueType, v float64, pairs []string) {
	var names, values []string
	for i := 0; i < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, pairs[i+1])
	}
	t.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(namespace+name, help, names, nil), kind, v, values...)
}

// times tells a histogram over journal.DropBounds.
func (t teller) times(name, help string, counts []uint64, sum time.Duration) {
	var total uint64
	buckets := map[float64]uint64{}
	for i, n := range counts {
		total += n
		if i < len(journal.DropBounds) {
			buckets[journal.DropBounds[i].Seconds()] = total
		}
	}
	t.out <- prometheus.MustNewConstHistogram(prometheus.NewDesc(namespace+name, help, nil, nil), total, sum.Seconds(), buckets)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
