package web_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/web"
)

// still is a daemon with fixed, nonzero metrics.
type still struct {
	failing  string
	starting bool
}

func (s still) Health() (state string, checks []control.Check) {
	switch {
	case s.starting:
		state = control.Starting
	case s.failing != "":
		state = control.Degraded
	default:
		state = control.Healthy
	}
	return state, s.checks()
}

func (s still) checks() []control.Check {
	checks := []control.Check{{Name: "events", OK: true, Detail: "fine"}, {Name: "canary", OK: true, Detail: "heard"}}
	for i := range checks {
		if checks[i].Name == s.failing {
			checks[i].OK, checks[i].Detail = false, "198.51.100.7 did it"
		}
	}
	return checks
}

func (s still) Reading() web.Reading {
	drops := make([]uint64, len(journal.DropBounds)+1)
	drops[2], drops[len(drops)-1] = 3, 1
	return web.Reading{
		Version: "v1", Mode: "enforce", Checks: s.checks(),
		Meters: responder.Meters{
			Judge: judge.Meters{
				Events: map[string]uint64{"InvalidPassword": 7}, Observations: map[string]uint64{"proven": 5, "spoofable": 2},
				Counters: judge.Counters{Spoofable: 5, Repeated: 2},
				Verdicts: map[string]uint64{"password guessing": 2}, Refused: map[string]uint64{"calls": 6},
				Scores: score.Stats{Keys: map[score.Per]score.KeyStats{score.PerSource: {Tracked: 3, Capacity: 9}}},
			},
			Journal: journal.Meters{Steps: map[journal.Outcome]uint64{{Step: "ban", State: "done"}: 2}, Drops: drops, DropTime: 9 * time.Second},
		},
		Bans: 2, Closed: 1, Ineffective: 3, Unstopped: 4, Gaps: 1, Dropped: map[string]web.Traffic{"in": {Packets: 10, Bytes: 100}, "out": {}},
		Sessions: map[string]web.Session{"events": {Blocks: 9, Logins: 1}}, Shed: map[string]uint64{"ChallengeSent": 4}, CanaryAge: 3 * time.Second,
		LedgerDropped: map[string]uint64{"incident": 1}, LedgerEvicted: 11, Refused: 12, LongLines: 13, ConfigLoaded: time.Unix(1_000_000, 0),
	}
}

func get(t *testing.T, s web.Source, path string) (int, string) {
	t.Helper()
	server := httptest.NewServer(web.Handler(s))
	defer server.Close()
	resp, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestHealthz(t *testing.T) {
	if code, body := get(t, still{}, "/healthz"); code != http.StatusOK || body != "{\"health\":\"ok\"}\n" {
		t.Errorf("healthy: %d %s", code, body)
	}
	code, body := get(t, still{failing: "canary"}, "/healthz")
	if code != http.StatusServiceUnavailable || body != "{\"health\":\"degraded\",\"failing\":[\"canary\"]}\n" {
		t.Errorf("degraded: %d %s", code, body)
	}
	code, body = get(t, still{failing: "canary", starting: true}, "/healthz")
	if code != http.StatusServiceUnavailable || body != "{\"health\":\"starting\",\"failing\":[\"canary\"]}\n" {
		t.Errorf("starting: %d %s", code, body)
	}
}

// Names and help texts pass Prometheus's own linter.
func TestMetricsPassPromlint(t *testing.T) {
	code, body := get(t, still{failing: "canary"}, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{
		`tollwarden_healthy 0`, `tollwarden_check_ok{check="canary"} 0`, `tollwarden_check_ok{check="events"} 1`,
		`tollwarden_events_total{event="InvalidPassword"} 7`, `tollwarden_observations_total{proof="proven"} 5`,
		`tollwarden_verdicts_total{threshold="password guessing"} 2`, `tollwarden_steps_total{outcome="done",step="ban"} 2`,
		`tollwarden_event_to_drop_seconds_bucket{le="0.0001"} 0`, `tollwarden_event_to_drop_seconds_bucket{le="0.00025"} 3`,
		`tollwarden_event_to_drop_seconds_bucket{le="+Inf"} 4`, `tollwarden_event_to_drop_seconds_sum 9`,
		`tollwarden_dropped_packets_total{direction="in"} 10`, `tollwarden_canary_age_seconds 3`,
		`tollwarden_scores_tracked{per="source"} 3`, `tollwarden_bans 2`, `tollwarden_networks_closed 1`, `tollwarden_spoofable_bans_total{repeat="first"} 3`, `tollwarden_spoofable_bans_total{repeat="later"} 2`,
		`tollwarden_ineffective_bans 3`, `tollwarden_unstopped_attacks 4`,
		`tollwarden_table_refusals_total{table="calls"} 6`, `tollwarden_refusals_total{queue="actions"} 12`,
		`tollwarden_ledger_evicted_rows_total 11`, `tollwarden_log_long_lines_total 13`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(body, "198.51.100.7") {
		t.Error("the metrics reveal an address")
	}
}

// No other path exists.
func TestNothingElseIsAnswered(t *testing.T) {
	for _, path := range []string{"/", "/bans", "/debug/pprof/", "/status"} {
		if code, _ := get(t, still{}, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if s, err := web.Listen(taken.Addr().String(), still{}); err == nil {
		_ = s.Close()
		t.Error("a second server on the address")
	} else if !strings.HasPrefix(err.Error(), "health.listen: ") {
		t.Errorf("the error is %v", err)
	}
}

var metricName = regexp.MustCompile(`tollwarden_[a-z_]+`)

// Every metric in the alert rules and the dashboard exists.
func TestPackagedRulesUseExistingMetrics(t *testing.T) {
	_, body := get(t, still{}, "/metrics")
	for _, file := range []string{"prometheus-alerts.yml", "grafana-dashboard.json"} {
		text, err := os.ReadFile("../../packaging/" + file)
		if err != nil {
			t.Fatal(err)
		}
		names := metricName.FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s contains no metric", file)
		}
		for _, name := range names {
			if !strings.Contains(body, "\n"+name+" ") && !strings.Contains(body, "\n"+name+"{") {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
	}
}

// A digest that is not due yet must not raise the alert about dead receivers.
func TestAlertAboutDeadReceivers(t *testing.T) {
	text, err := os.ReadFile("../../packaging/prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "expr: tollwarden_messages_retrying > 0\n") || strings.Contains(string(text), "messages_pending") {
		t.Error("TollwardenReceiverDown counts messages that wait for a digest")
	}
}

func TestAlertRulesPassPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool (apt-get install prometheus)")
	}
	if out, err := exec.Command(promtool, "check", "rules", "../../packaging/prometheus-alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
