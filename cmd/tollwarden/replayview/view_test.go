package replayview

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/replay"
	"github.com/tollwarden/tollwarden/responder/score"
)

// result is a month with one attack in it, whose account has a hostile name.
func result() *replay.Result {
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	guesser := netip.MustParsePrefix("192.0.2.66/32")
	r := &replay.Result{
		From: from, To: from.AddDate(0, 1, 0),
		Files: []replay.File{{Path: "messages", Format: "log", Lines: 9, Read: 3, Damaged: 1, Samples: []replay.Damage{{Line: 2, Why: "no line of Asterisk's logger", Text: "half\x1b\xff"}}}},
		Bans:  []replay.Ban{{Ban: incident.Ban{Prefix: guesser, Since: from, Until: from.Add(time.Hour), Reason: "3 points"}, Times: 2, Stopped: 7, Logins: 1}},
		Incidents: []incident.Incident{{
			ID: 1, At: from, Threshold: "password guessing", Key: score.Key{Per: score.PerSource, Prefix: guesser}, Reason: "3 points of <3>",
			Steps: []incident.Step{
				{Step: incident.StepBan, State: incident.Skipped, Detail: "mode is observe: would ban 192.0.2.66"},
				{Step: incident.StepNotify, State: incident.Skipped, Detail: "no receiver"},
			},
		}},
		Accounts: []replay.Account{{Name: "<b>1002\x1b", Failures: 3, Logins: 1, Incidents: 1}},
		Dropped:  4,
	}
	r.Counters.Incidents, r.Counters.Observations, r.Counters.NotIssued = 1, 3, 2
	return r
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	Of(result()).Print(&out)
	for _, want := range []string{
		"3 observations, 1 incident, 1 IP address blocked. 2 times an attacker evaded the manager interface: set asterisk.log.",
		"FILE", "line 2: no line of Asterisk's logger: half", "ban 192.0.2.66; not notify (no receiver)", "and 4 more incidents", "CORRECT PASSWORDS", "192.0.2.66",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("it prints an escape sequence")
	}
}

func TestHTML(t *testing.T) {
	var out strings.Builder
	if err := Of(result()).HTML(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "<!doctype html>") || !strings.Contains(out.String(), "&lt;b&gt;1002") || strings.ContainsAny(out.String(), "\x1b") || strings.Contains(out.String(), "<b>1002") {
		t.Errorf("%s", &out)
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(JSON(result()))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Bans []struct {
			Prefix  string `json:"prefix"`
			Times   int    `json:"times"`
			Stopped int    `json:"stopped"`
			Logins  int    `json:"logins"`
		} `json:"bans"`
		Files []struct {
			Samples []struct {
				Text string `json:"text"`
			} `json:"samples"`
		} `json:"files"`
		Counters map[string]int `json:"counters"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if b := got.Bans[0]; b.Prefix != "192.0.2.66/32" || b.Times != 2 || b.Stopped != 7 || b.Logins != 1 {
		t.Errorf("%+v", b)
	}
	if got.Files[0].Samples[0].Text != "half\x1b�" || got.Counters["incidents_not_shown"] != 4 || got.Counters["events_not_issued"] != 2 {
		t.Errorf("%s", text)
	}
	if text, err := json.Marshal(JSON(&replay.Result{})); err != nil || strings.Contains(string(text), `"bans":null`) || strings.Contains(string(text), `"files":null`) {
		t.Errorf("an empty result: %s, %v", text, err)
	}
	if text, err := json.Marshal(&Observation{Sensor: "log", Account: "1002"}); err != nil || !strings.Contains(string(text), `"sensor":"log","kind":""`) {
		t.Errorf("an observation: %s, %v", text, err)
	}
}

// Without a single event only the files show; a long list of accounts is cut.
func TestLimits(t *testing.T) {
	none := Of(&replay.Result{Files: []replay.File{{Path: "empty"}}})
	if len(none.Tables) != 1 || !strings.HasPrefix(none.Summary, "These files contain no event") {
		t.Errorf("%+v", none)
	}
	r := result()
	r.Bans, r.Incidents = nil, nil
	for i := range 2 * accountsShown {
		r.Accounts = append(r.Accounts, replay.Account{Name: fmt.Sprint(i)})
	}
	v := Of(r)
	last := v.Tables[len(v.Tables)-1]
	if len(v.Tables) != 2 || len(last.Rows) != accountsShown || last.More != "and 51 more: --json lists them all" {
		t.Errorf("%d tables, the last with %d rows and %q", len(v.Tables), len(last.Rows), last.More)
	}
}
