package firsthour

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

var at = time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)

// records are incidents, the newest first.
type records []incident.Incident

func (r records) Incidents(context.Context, int) ([]incident.Incident, error) { return r, nil }

func (r records) Incident(_ context.Context, id int64) (incident.Incident, error) {
	for _, i := range r {
		if i.ID == id {
			return i, nil
		}
	}
	return incident.Incident{}, errors.New("there is no such incident")
}

func outcome(kind incident.StepKind, state incident.State) string {
	return string(kind) + " " + string(state)
}

// robbed is a PBX with a break-in yesterday, one two months ago, and a guesser.
func robbed() records {
	euros := incident.Cost{Amount: 83_000_000, Currency: "EUR", Estimate: true}
	return records{
		{ID: 9, At: at, Threshold: "password guessing", Steps: []incident.Step{{Step: incident.StepBan, State: incident.Done}}},
		{
			ID: 8, At: at.Add(-time.Hour), Account: "1002", Name: "Front\x1b desk", Source: netip.MustParseAddr("192.0.2.66"), Threshold: "break-in", Cost: euros,
			Steps: []incident.Step{{Step: incident.StepHangup, State: incident.Done}, {Step: incident.StepRotate, State: incident.Failed}},
			Calls: []incident.Call{
				{Channel: "a", Account: "1002", Country: "CU", Began: at.Add(-time.Hour)},
				{Channel: "b", Account: "1002", Country: "001", Began: at.Add(-2 * time.Hour)},
				{Channel: "c", Account: "1002", Country: "CU", Began: at.Add(-time.Minute)},
				{Channel: "d", Account: "1002", Began: at},
			},
		},
		{ID: 7, At: at.Add(-2 * time.Hour), Account: "10 02", Threshold: "toll fraud", Mode: incident.Observe, Steps: []incident.Step{{Step: incident.StepRotate, State: incident.Skipped}}},
		{ID: 1, At: at.AddDate(0, -2, 0), Account: "1001", Threshold: "break-in", Steps: []incident.Step{{Step: incident.StepRotate, State: incident.Done}}},
	}
}

func TestFirstHour(t *testing.T) {
	f := &Facts{
		Host: "pbx", At: at, Since: at.AddDate(0, 0, -30), State: "An attack would be stopped now.", Stopping: true, Running: true,
		Trunks: []Trunk{{Name: "carrier", At: "sip.example.net", Close: "pjsip send unregister carrier"}}, Receivers: []string{"ops@example.org"},
		Keep: []string{"/var/log/asterisk", "/var/lib/tollwarden"}, Leave: []string{"/var/lib/tollwarden/secrets"},
	}
	if err := f.ReadBreakIns(t.Context(), robbed(), outcome); err != nil {
		t.Fatal(err)
	}
	got := printed(t, f)
	for _, want := range []string{
		`extension 1002 Front\x1b desk: break-in, from 192.0.2.66; hangup done; NOT DONE: rotate failed (incident 8)`,
		"extension 10 02: toll fraud; nothing was changed, as in mode observe (incident 7)",
		"Calls on record: 4, from ", "to Cuba (2), a place that is not known (1), satellite or worldwide service (1)",
		"Cost so far, about: 83 EUR (an estimate at default rates)",
		"`tollwarden lock 1002`, then `tollwarden hangup 1002`", "`tollwarden lock '10 02'`", "`tollwarden rotate 1002 --expire`",
		`asterisk -rx "pjsip send unregister carrier"`, "line: carrier (sip.example.net)", "We know of calls: 4, from",
		"tar -czf /root/evidence-", " --exclude=/var/lib/tollwarden/secrets /var/log/asterisk /var/lib/tollwarden",
		"tollwarden incident 8 --html >incident-8.html", "Messages go to: ops@example.org",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, not := range []string{"1001", "NOT FILLED IN", "Start the daemon", "Get the protection to work", "\x1b"} {
		if strings.Contains(got, not) {
			t.Errorf("%q in\n%s", not, got)
		}
	}
}

// Without anything known, the page says what to do all the same, and what is missing.
func TestFirstHourBlind(t *testing.T) {
	f := &Facts{At: at, Since: at, State: "not known", Keep: []string{"/var/log/asterisk"}, Unknown: []string{"the lines to carriers: none"}}
	got := printed(t, f)
	for _, want := range []string{"Start the daemon", "tollwarden rotate EXTENSION --expire", "core stop now", "NOT FILLED IN\n  - the lines to carriers: none", "See to it that somebody gets messages"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "Break-ins on record") {
		t.Errorf("what is not known is told:\n%s", got)
	}
}

func printed(t *testing.T, f *Facts) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadTrunks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pjsip.conf": "[main-line]\ntype = registration\nserver_uri = sip:sip.example.net:5060;transport=tcp\n[1002]\ntype = endpoint\n",
		"sip.conf":   "[general]\nregister => login:secret@sip.example.org/100\n",
		"iax.conf":   "[general]\nregister => login:secret@iax.example.com\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadTrunks(dir)
	want := []Trunk{
		{Name: "IAX2 registration at iax.example.com", At: "iax.example.com"},
		{Name: "SIP registration at sip.example.org", At: "sip.example.org"},
		{Name: "main-line", At: "sip.example.net:5060", Close: "pjsip send unregister main-line"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadTrunks(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there has no lines")
	}
	pjsip := filepath.Join(dir, "pjsip.conf")
	if err := errors.Join(os.Remove(pjsip), os.Mkdir(pjsip, 0o700)); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadTrunks(dir); len(got) != 2 || err == nil || !strings.Contains(err.Error(), "pjsip.conf") {
		t.Errorf("without pjsip.conf: %+v, %v", got, err)
	}
}

// Two incidents about one thief list the same calls: the sum holds each once.
func TestSharedCallsCostOnce(t *testing.T) {
	euros := func(n int64) incident.Cost {
		return incident.Cost{Amount: n * 1_000_000, Currency: "EUR", Estimate: true}
	}
	shared := incident.Call{Channel: "a", Began: at, Cost: euros(8)}
	own := incident.Call{Channel: "b", Began: at, Cost: euros(1)}
	for name, tt := range map[string]struct {
		breakIns []BreakIn
		want     string
	}{
		"the same call":         {[]BreakIn{{Cost: euros(8), Calls: []incident.Call{shared}}, {Cost: euros(8), Calls: []incident.Call{shared}}}, "8.00 EUR"},
		"one more in the older": {[]BreakIn{{Cost: euros(8), Calls: []incident.Call{shared}}, {Cost: euros(9), Calls: []incident.Call{shared, own}}}, "9.00 EUR"},
		"calls not on record":   {[]BreakIn{{Cost: euros(8)}, {Cost: euros(1)}}, "9.00 EUR"},
	} {
		f := Facts{BreakIns: tt.breakIns}
		if got := f.cost(); got != tt.want+" (an estimate at default rates)" {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// Without a break-in on record, the page still says how to stop an extension.
func TestNothingOnRecord(t *testing.T) {
	got := printed(t, &Facts{Host: "pbx", At: at, Since: at.AddDate(0, 0, -30), Running: true, Recorded: true, Receivers: []string{}})
	for _, want := range []string{"`tollwarden lock EXTENSION`, then `tollwarden hangup EXTENSION`", "NOBODY gets a message: `tollwarden setup` asks who should."} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
