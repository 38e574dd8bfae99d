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

// Reading is a snapshot of the daemon for the metrics.
type Reading struct {
	Version string
	Mode    string
	Checks  []control.Check
	Meters  responder.Meters

	Bans        int
	Closed      int // of them, networks closed for SIP
	Ineffective int // bans without effect
	Unstopped   int // attacks that go on
	Broken      int // locks, restrictions and changed passwords that are not in force
	Waiting     int // accounts whose steps wait for a person
	Paused      bool
	Channels    int
	Dropped     map[string]Traffic // by direction: in, out
	Withheld    map[string]uint64  // packets of suspects, by why
	Repairs     uint64             // of the kernel's table
	Probes      uint64             // that confirmed a drop
	Gaps        uint64             // times without an event session
	GapTime     time.Duration      // total length of the gaps
	Sessions    map[string]Session
	Shed        map[string]uint64 // events skipped under overload, by name
	CanaryAge   time.Duration     // negative: none has come through yet
	Refused     uint64            // actions not sent to Asterisk because too many were pending
	LongLines   uint64            // log lines skipped for their length
	Lost        uint64            // canaries that did not come through
	Unsent      uint64            // canaries that could not be sent

	Spending []control.Spender // what calls used within 24 hours
	Blocked  int               // accounts whose budgets are used up, and the site

	LedgerLag     time.Duration
	LedgerPending int
	LedgerDropped map[string]uint64 // rows, by kind
	LedgerEvicted uint64            // rows pruned early

	AlarmsDelivered, AlarmsFailed uint64
	Messages                      notify.Counts
	ConfigLoaded                  time.Time // zero: the configuration is not from a file
	ConfigChanged                 bool      // the file differs from what is in force
	ConfigRefused                 bool      // the last reload was refused
}

// Traffic counts what the kernel has dropped.
type Traffic struct{ Packets, Bytes uint64 }

// Session counts messages and logins of one manager session.
type Session struct{ Blocks, Damaged, Logins uint64 }

// collector exports readings as metrics.
type collector struct{ source Source }

// Describe sends nothing: the set of metrics depends on each reading.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect exports one reading.
func (c collector) Collect(out chan<- prometheus.Metric) {
	r := c.source.Reading()
	e := exporter{out}
	e.gauge("build_info", "Version and mode of the running daemon; always 1.", 1, "version", r.Version, "mode", r.Mode)
	e.health(&r)
	e.messages(&r)
	e.asterisk(&r)
	e.decisions(&r)
	e.kernel(&r)
	e.ledger(&r)
	e.spending(&r)
}

// spending exports what the site has used of its budgets.
func (e exporter) spending(r *Reading) {
	for _, x := range r.Spending {
		if x.Kind != "site" {
			continue
		}
		for places, spent := range map[string]*control.Spent{"usual": x.Usual, "other": x.Other} {
			if spent == nil {
				continue
			}
			e.gauge("spending_minutes", "Minutes of calls abroad and to costly numbers within 24 hours.", float64(spent.Minutes.Used+spent.OffHours.Used), "places", places)
			e.gauge("spending_money", "About what these calls cost, in whole units of calls.budget.currency.", float64(spent.Money.Used), "places", places)
		}
	}
	e.gauge("spending_blocked", "Extensions whose budgets are used up, and the site if its is.", float64(r.Blocked))
}

// health exports the checks, the canary and the state of the configuration.
func (e exporter) health(r *Reading) {
	healthy := 1.0
	for _, c := range r.Checks {
		ok := 1.0
		if !c.OK {
			ok, healthy = 0, 0
		}
		e.gauge("check_ok", "Whether a check of `tollwarden status` passes.", ok, "check", c.Name)
	}
	e.gauge("healthy", "Whether every check passes, so that the daemon would stop an attack now.", healthy)
	e.gauge("observing", "Whether the daemon is in mode observe, and stops no attack.", number(r.Mode == "observe"))
	e.gauge("paused", "Whether a person has paused everything automatic.", number(r.Paused))
	if r.CanaryAge >= 0 {
		e.gauge("canary_age_seconds", "Time since a test event of the daemon last came through Asterisk.", r.CanaryAge.Seconds())
	}
	e.counter("canaries_lost_total", "Test events that Asterisk accepted but that did not come through.", r.Lost)
	e.counter("canaries_unsent_total", "Test events that could not be sent.", r.Unsent)
	if !r.ConfigLoaded.IsZero() {
		e.gauge("config_loaded_timestamp_seconds", "When the active configuration was loaded.", float64(r.ConfigLoaded.UnixMilli())/1000)
		e.gauge("config_changed", "Whether the configuration file differs from the active configuration.", number(r.ConfigChanged))
		e.gauge("config_refused", "Whether the last reload was refused.", number(r.ConfigRefused))
	}
}

// messages exports what became of alarms and of messages about incidents.
func (e exporter) messages(r *Reading) {
	e.counter("alarms_delivered_total", "Alarms about the daemon itself that were delivered.", r.AlarmsDelivered)
	e.counter("alarms_failed_total", "Alarms about the daemon itself that could not be delivered.", r.AlarmsFailed)
	e.counter("messages_delivered_total", "Messages delivered to a receiver, individually or in a digest.", r.Messages.Delivered)
	e.counter("messages_lost_total", "Messages given up after all retries.", r.Messages.Lost)
	e.gauge("messages_pending", "Messages waiting for the next digest or for a receiver that does not answer.", float64(r.Messages.Pending))
	e.gauge("messages_retrying", "Messages waiting for a receiver that does not answer.", float64(r.Messages.Retrying))
}

// asterisk exports what is received from Asterisk.
func (e exporter) asterisk(r *Reading) {
	for name, n := range r.Meters.Judge.Events {
		e.counter("events_total", "Events from Asterisk that were understood.", n, "event", name)
	}
	for session, s := range r.Sessions {
		e.counter("ami_messages_total", "Messages read on a manager session.", s.Blocks, "session", session)
		e.counter("ami_damaged_messages_total", "Messages on a manager session with broken framing.", s.Damaged, "session", session)
		e.counter("ami_logins_total", "Logins of a manager session; all but the first are reconnects.", s.Logins, "session", session)
	}
	for name, n := range r.Shed {
		e.counter("events_shed_total", "Events skipped because they arrived faster than they could be handled.", n, "event", name)
	}
	e.counter("log_long_lines_total", "Lines of Asterisk's log that were skipped because they are too long.", r.LongLines)
	c := &r.Meters.Judge.Counters
	e.counter("tampered_events_total", "Events into which somebody injected forged lines.", c.Tampered)
	e.counter("events_not_issued_total", "Security events that Asterisk reported it could not issue.", c.NotIssued)
	e.counter("gaps_total", "Times that the event session to Asterisk was lost.", r.Gaps)
	e.counterSeconds("gap_seconds_total", "Time without an event session to Asterisk.", r.GapTime)
	e.gauge("channels", "Channels that are up, according to the events.", float64(r.Channels))
}

// decisions exports observations, scores and what followed from them.
func (e exporter) decisions(r *Reading) {
	m := &r.Meters.Judge
	for proof, n := range m.Observations {
		e.counter("observations_total", "Observations, by whether their address is confirmed (proven) or may be spoofed (spoofable).", n, "proof", proof)
	}
	for _, per := range []score.Per{score.PerSource, score.PerNetwork, score.PerAccount, score.PerSite, score.PerOrigin} {
		k := m.Scores.Keys[per]
		e.gauge("scores_tracked", "Keys with a score.", float64(k.Tracked), "per", per.String())
		e.gauge("scores_capacity", "Keys that fit in the table.", float64(k.Capacity), "per", per.String())
		e.counter("scores_evicted_total", "Keys evicted early to make room for others.", k.Evicted, "per", per.String())
	}
	for table, n := range m.Refused {
		e.counter("table_refusals_total", "Entries not stored because a table was full.", n, "table", table)
	}
	e.gauge("accounts_tracked", "Accounts with known addresses or recent failures.", float64(m.Accounts))
	for threshold, n := range m.Verdicts {
		e.counter("verdicts_total", "Thresholds crossed.", n, "threshold", threshold)
	}
	e.counter("incidents_total", "Incidents opened.", m.Counters.Incidents)
	e.gauge("unstopped_attacks", "Attacks that go on because every step of their playbook was skipped or failed.", float64(r.Unstopped))
	e.gauge("broken_orders", "Locks, restrictions and changed passwords that are not in force, and cannot be put back or were put back too often.", float64(r.Broken))
	e.gauge("waiting_accounts", "Accounts whose password waits for a person to be changed, because too many were changed already (breaker.accounts).", float64(r.Waiting))
	e.counter("unstopped_attacks_total", "Attacks that went on because every step of their playbook was skipped or failed.", m.Counters.Unstopped)
	e.counter("joined_verdicts_total", "Thresholds crossed that joined an incident under way.", m.Counters.Joined)
	e.counter("suppressed_verdicts_total", "Thresholds crossed by IP addresses or accounts that were already being handled.", m.Counters.Suppressed)
	e.counter("grace_period_failures_total", "Failures from an account's known addresses after its password was changed.", m.Counters.GracePeriod)
	for o, n := range r.Meters.Journal.Steps {
		e.counter("steps_total", "Playbook steps, by outcome.", n, "step", string(o.Step), "outcome", string(o.State))
	}
	e.counter("refusals_total", "Items refused because a queue was full.", r.Meters.NoRoom.Bans, "queue", "bans")
	e.counter("refusals_total", "Items refused because a queue was full.", r.Meters.NoRoom.Steps, "queue", "incidents")
	e.counter("refusals_total", "Items refused because a queue was full.", r.Refused, "queue", "actions")
	e.times("event_to_drop_seconds", "Time from the arrival of an event to the drop of its source in the kernel.", r.Meters.Journal.Drops, r.Meters.Journal.DropTime)
}

// kernel exports the state of the firewall.
func (e exporter) kernel(r *Reading) {
	e.gauge("bans", "Bans in force.", float64(r.Bans))
	c := &r.Meters.Judge.Counters
	e.gauge("networks_closed", "Networks closed for SIP and IAX2 over UDP, because their addresses take turns.", float64(r.Closed))
	e.counter("spoofable_bans_total", "Bans of IP addresses and networks that may be spoofed, by whether it was the first one.", c.Spoofable-c.Repeated, "repeat", "first")
	e.counter("spoofable_bans_total", "Bans of IP addresses and networks that may be spoofed, by whether it was the first one.", c.Repeated, "repeat", "later")
	e.gauge("ineffective_bans", "Bans without effect: their IP addresses still get through.", float64(r.Ineffective))
	e.counter("ineffective_bans_total", "Bans that turned out to be without effect.", c.Ineffective)
	e.counter("renewed_bans_total", "Times that a banned IP address was heard and its ban renewed.", c.Renewed)
	for direction, n := range r.Dropped {
		e.counter("dropped_packets_total", "Packets dropped, including the daemon's own probes.", n.Packets, "direction", direction)
		e.counter("dropped_bytes_total", "Bytes dropped, including the daemon's own probes.", n.Bytes, "direction", direction)
	}
	for why, n := range r.Withheld {
		e.counter("withheld_packets_total", "Packets of throttled IP addresses that were held back: guesses, and responses that an attacker had sent elsewhere.", n, "why", why)
	}
	e.counter("suspects_total", "IP addresses that were throttled because they cannot be banned.", r.Meters.Judge.Counters.Suspects)
	e.counter("closings_total", "Times that an IP address was closed but for the connections of registered phones, because a guesser there went on.", r.Meters.Judge.Counters.Closings)
	e.counter("costly_calls_ended_total", "Costly calls that were ended because the extension waits for a person, its costs are limited, or a budget is used up.", r.Meters.Judge.Counters.CostlyEnded)
	e.counter("table_repairs_total", "Times that the nftables table was restored after another program changed it.", r.Repairs)
	e.counter("probes_total", "Successful tests that packets from a banned address are dropped.", r.Probes)
}

// ledger exports the state of the ledger.
func (e exporter) ledger(r *Reading) {
	e.gauge("ledger_lag_seconds", "How long the oldest pending row has been waiting to be written.", r.LedgerLag.Seconds())
	e.gauge("ledger_pending_rows", "Rows waiting to be written.", float64(r.LedgerPending))
	for kind, n := range r.LedgerDropped {
		e.counter("ledger_dropped_rows_total", "Rows lost because they did not fit in memory.", n, "kind", kind)
	}
	e.counter("ledger_evicted_rows_total", "Rows pruned early because a table was full.", r.LedgerEvicted)
}

// exporter sends metrics with the program's prefix.
type exporter struct{ out chan<- prometheus.Metric }

const namespace = "tollwarden_"

func (e exporter) gauge(name, help string, v float64, labels ...string) {
	e.send(name, help, prometheus.GaugeValue, v, labels)
}

func (e exporter) counter(name, help string, n uint64, labels ...string) {
	e.send(name, help, prometheus.CounterValue, float64(n), labels)
}

func (e exporter) counterSeconds(name, help string, d time.Duration) {
	e.send(name, help, prometheus.CounterValue, d.Seconds(), nil)
}

// send exports one metric; pairs are the names and values of its labels.
func (e exporter) send(name, help string, kind prometheus.ValueType, v float64, pairs []string) {
	var names, values []string
	for i := 0; i < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, pairs[i+1])
	}
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(namespace+name, help, names, nil), kind, v, values...)
}

// times exports a histogram over journal.DropBounds.
func (e exporter) times(name, help string, counts []uint64, sum time.Duration) {
	var total uint64
	buckets := map[float64]uint64{}
	for i, n := range counts {
		total += n
		if i < len(journal.DropBounds) {
			buckets[journal.DropBounds[i].Seconds()] = total
		}
	}
	e.out <- prometheus.MustNewConstHistogram(prometheus.NewDesc(namespace+name, help, nil, nil), total, sum.Seconds(), buckets)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
