package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/replayview"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/replay"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

// testdata/golden is what the commands, the webhook, the step exec and a template
// gave when each of them had types of its own. Other programs read it: it stays.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", "golden", name))
	if err != nil {
		t.Fatal(err)
	}
	sum := regexp.MustCompile(`SHA-256 [0-9a-f]{64}`) // of the annex, in which "claimed" became "spoofable"
	if diff := cmp.Diff(string(sum.ReplaceAll(want, []byte("SHA-256"))), string(sum.ReplaceAll(got, []byte("SHA-256")))); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// goldenJSON checks what the daemon sends of a value, and what a command prints
// of what it received.
func goldenJSON[T any](t *testing.T, name string, v T) {
	t.Helper()
	sent, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, name+".wire.json", append(sent, '\n'))
	var received T
	if err := json.Unmarshal(sent, &received); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := output.JSON(&b, received); err != nil {
		t.Fatal(err)
	}
	golden(t, name+".json", b.Bytes())
}

var goldenAt = time.Date(2026, 11, 22, 3, 4, 5, 678_000_000, time.UTC)

func goldenBans() []incident.Ban {
	at, prefix := goldenAt, netip.MustParsePrefix
	return []incident.Ban{
		{
			Prefix: prefix("192.0.2.66/32"), Since: at, Until: at.Add(4 * time.Hour), Scope: incident.ScopeAll,
			Reason: "3 points of 3 within 1h: <InvalidPassword> & more", Origin: "password guessing", Offence: 1, Incident: 7,
		},
		{Prefix: prefix("198.51.100.0/24"), Since: at, Reason: "by hand", Origin: incident.OriginOperator},
		{Prefix: prefix("2001:db8:7::/64"), Since: at, Until: at.Add(time.Minute), Scope: incident.ScopeSIP, Origin: incident.OriginKernel, Repeat: 2},
		{Prefix: prefix("203.0.113.8/32"), Since: at, Until: at.Add(4 * time.Hour), Scope: incident.ScopeAsterisk, Origin: "password guessing", Offence: 1},
		{Prefix: prefix("203.0.113.9/32"), Since: at, Until: at.Add(time.Minute), Scope: incident.ScopeBrief, Origin: "x", Offence: 2},
	}
}

func goldenPartial() []incident.PartialBlock {
	return []incident.PartialBlock{
		{
			Kind: incident.BlockedFlow, Flow: netip.MustParseAddrPort("198.51.100.20:59271"), Account: "1004", Phone: `the phone of extension "1004"`,
			Since: goldenAt, Until: goldenAt.Add(10 * time.Minute), Reason: "3 points of 3 within 1h", Origin: "password guessing", Incident: 7,
		},
		{
			Kind: incident.ThrottledAddress, Address: netip.MustParsePrefix("2001:db8::/64"), Since: goldenAt, Until: goldenAt.Add(10 * time.Minute),
			Reason: "Asterisk was made to send it responses to the requests of others", Origin: incident.OriginMisdirected,
		},
	}
}

// goldenLive is an incident as the daemon has it in memory.
func goldenLive() incident.Incident {
	return incident.Incident{
		ID: 41, At: goldenAt, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Threshold: "break-in", Playbook: "compromise",
		Reason: `a "reason" <b>&`, Account: "1002", Source: netip.MustParseAddr("192.0.2.66"), Mode: incident.Enforce,
		Evidence: []incident.Evidence{
			{Record: score.Record{At: goldenAt, Signal: score.InvalidPassword, Source: netip.MustParseAddr("192.0.2.66"), Port: 5060, Transport: event.UDP, Account: "1002", Session: "<s>"}},
			{Record: score.Record{At: goldenAt, Signal: score.SuccessAfterFailures, Source: netip.MustParseAddr("2001:db8::1"), Transport: event.TLS, Proof: score.Proven, Account: "1002"}},
		},
		Steps: []incident.Step{
			{Step: incident.StepBan, Target: "192.0.2.66", State: incident.Done, Detail: "until <then>", Took: 1234567},
			{Step: incident.StepHangup, Target: "1002", State: incident.Failed, Detail: "x", Took: 1234567890},
			{Step: incident.StepNotify, Target: "operator", State: incident.Intended},
			{Step: incident.StepHangupCall, Target: "PJSIP/1002-00000001", State: incident.Skipped, Detail: "why", Took: 3},
		},
	}
}

// goldenRecorded is an incident as the ledger gives it, and all that it has.
func goldenRecorded(t *testing.T) (incident.Incident, []incident.Incident) {
	t.Helper()
	l, at, thief := newLedger(t), goldenAt, netip.MustParseAddr("192.0.2.66")
	id := l.PutIncident(&incident.Incident{
		At: at, Key: score.Key{Per: score.PerSource, Prefix: netip.MustParsePrefix("192.0.2.66/32")}, Account: "1002", Source: thief,
		Threshold: "toll <fraud>", Playbook: "compromise", Reason: "r & r", Mode: incident.Enforce,
		Steps: []incident.Step{
			{Step: incident.StepRotate, Target: "1002", State: incident.Done, Detail: "kept <there>", Took: incident.Elapsed(1500 * time.Microsecond)},
			{Step: incident.StepExec, Target: "operator", State: incident.Intended},
		},
		Evidence: []incident.Evidence{
			{
				Record: score.Record{At: at, Signal: score.ForbiddenDestination, Source: thief, Transport: event.UDP, Proof: score.Proven, Account: "1002", Session: "PJSIP/1002-00000001 <0088>"},
				Raw:    "Event: Newchannel\r\nX: <a>\nb\\c\xff\r\n",
			},
			{Record: score.Record{At: at, Signal: score.InvalidPassword, Source: thief, Port: 65535}, Raw: "a line of a log <b>\nand another\n"},
		},
	})
	l.PutCall(id, incident.Call{Channel: "PJSIP/1002-00000001", Account: "1002", Dialled: "00<88>", Country: "CU", Began: at, Answered: at.Add(time.Second), Ended: at.Add(time.Minute)})
	l.PutCall(id, incident.Call{Channel: "PJSIP/1002-00000002", Account: "1002", Dialled: "0044", Began: at.Add(time.Second)})
	l.PutIncident(&incident.Incident{At: at, Key: score.Key{Per: score.PerNetwork, Prefix: netip.MustParsePrefix("2001:db8::/48")}, Threshold: "t", Playbook: "p", Mode: incident.Observe})
	one, err := l.Incident(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	list, err := l.Incidents(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return one, list
}

func TestGoldenBans(t *testing.T) {
	bans, packets := goldenBans(), uint64(12345)
	bans[0].Packets = &packets
	goldenJSON(t, "bans", bans)
	bans[0].Packets = nil
	goldenJSON(t, "ban-change", control.BanChange{At: goldenAt, Change: incident.Banned, Ban: bans[2]})
	goldenJSON(t, "partial", goldenPartial())
	goldenJSON(t, "partial-change", control.BanChange{At: goldenAt, Change: incident.Blocked, Partial: goldenPartial()[0]})
	goldenJSON(t, "changed", control.Changed{Bans: bans[:2], Message: "released 2 bans"})
	goldenJSON(t, "changed-none", control.Changed{Message: "reloaded"})
	goldenJSON(t, "standings", []control.ScoreStatus{
		{
			Key: score.Key{Per: score.PerSource, Prefix: bans[0].Prefix}, Share: 0.5,
			Scores: []control.Score{{Threshold: "x", Points: 1, Score: 2, Within: "1h"}}, Last: &goldenAt, Ban: &bans[1],
		},
		{Key: score.Key{Per: score.PerNetwork, Prefix: netip.MustParsePrefix("2001:db8::/48")}, Scores: []control.Score{}},
		{Key: score.Key{Per: score.PerAccount, Account: "10<02>"}, Scores: []control.Score{}, Channels: 2, Held: "locked", Rotated: &goldenAt},
	})
}

func TestGoldenIncidents(t *testing.T) {
	live := goldenLive()
	goldenJSON(t, "live", live)
	live.Bare = true
	goldenJSON(t, "bare", live)
	goldenJSON(t, "live-network", incident.Incident{
		ID: 2, At: goldenAt, Key: score.Key{Per: score.PerNetwork, Prefix: netip.MustParsePrefix("192.0.2.0/24")}, Mode: incident.Observe, Threshold: "t", Playbook: "p",
	})
	one, list := goldenRecorded(t)
	goldenJSON(t, "recorded", one)
	goldenJSON(t, "list", list)
	golden(t, "annex.jsonl", report.Of(one, time.UTC).Annex.Data)
}

// everyField uses each field that config/reference.toml names.
const everyField = `{{.ID}} {{.At}} {{.Key.Kind}} {{.Key.Value}} {{.Account}} {{.Source}} {{.Threshold}} {{.Playbook}} {{.Reason}} {{.Mode}}
{{range .Steps}}{{.Step}} {{.Target}} {{.State}} {{.Detail}} {{.Took}};{{end}}
{{range .Evidence}}{{.At}} {{.Signal}} {{.Source}} {{.Port}} {{.Transport}} {{.Proof}} {{.Account}} {{.Session}} {{.Raw}};{{end}}
{{range .Calls}}{{.Channel}} {{.Account}} {{.Dialled}} {{.Country}} {{.Began}} {{with .Ended}}{{.}}{{end}} {{with .Answered}}{{.}}{{end}};{{end}}
{{.Bare}} {{.Host}} {{.Title}} {{.Outcome}} {{.Next}}`

func TestGoldenMessages(t *testing.T) {
	words, err := notify.ParseWords("{{.Title}}", everyField)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := goldenRecorded(t)
	bare := goldenLive()
	bare.Bare = true
	for name, i := range map[string]incident.Incident{"recorded": one, "bare": bare} {
		m := words.Of("pbx", i, time.UTC)
		golden(t, "message-"+name+".txt", []byte(m.Subject+"\n"+m.Line+"\n"+m.Text))
		var b bytes.Buffer
		for _, v := range []any{m.JSON, m.Brief} {
			if err := json.NewEncoder(report.JSON(&b)).Encode(v); err != nil {
				t.Fatal(err)
			}
		}
		golden(t, "webhook-"+name+".json", b.Bytes())
	}
}

func TestGoldenReplay(t *testing.T) {
	bans, live := goldenBans(), goldenLive()
	live.Evidence = nil
	var b bytes.Buffer
	err := output.JSON(&b, replayview.JSON(&replay.Result{
		From: goldenAt, To: goldenAt, Incidents: []incident.Incident{live},
		Bans: []replay.Ban{{Ban: bans[0], Times: 2, Stopped: 3, Logins: 4}, {Ban: bans[1], Times: 1}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "replay.json", b.Bytes())
}

func newLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open("", ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
