package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestNextWeekly(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	monday := config.Weekly{On: true, Day: time.Monday, At: 8 * time.Hour}
	for after, want := range map[string]string{
		"2026-11-22 12:00": "2026-11-23 08:00", // a Sunday
		"2026-11-23 07:59": "2026-11-23 08:00",
		"2026-11-23 08:00": "2026-11-30 08:00",
		"2026-10-19 08:00": "2026-10-26 08:00", // summer time ends between
		"2026-12-28 09:00": "2027-01-04 08:00",
	} {
		from, err := time.ParseInLocation("2006-01-02 15:04", after, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextWeekly(from, monday).Format("2006-01-02 15:04"); got != want {
			t.Errorf("after %s comes %s, want %s", after, got, want)
		}
	}
}

// weeklyOf is a weekly summary whose receiver is an inbox.
func weeklyOf(t *testing.T, data string, when config.Weekly) (*weekly, inbox) {
	t.Helper()
	words, err := notify.ParseWords("{{.Subject}}", "{{.Report}}")
	if err != nil {
		t.Fatal(err)
	}
	l, to := newLedger(t), inbox{make(chan *notify.Message, 9)}
	c := &notifyConfig{receivers: notify.Receivers{Mail: to, Within: time.Second, Limit: notify.Limit{Digest: time.Minute}}, words: words, weekly: when, style: report.Style{Site: "pbx", Zone: time.UTC}}
	n := newNotifier(c, l, zerolog.Nop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.post.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	from := weekSources{
		ledger: l, mode: func() config.Mode { return config.Enforce },
		checks: func(time.Time) []control.Check { return nil }, currency: func(time.Time) string { return "EUR" },
	}
	return openWeekly(data, n, from, zerolog.Nop()), to
}

// A summary is sent when it is due, once, also by a daemon that was started since; a new
// installation and one that has it off send none.
func TestWeeklyIsSentOnce(t *testing.T) {
	data, monday := t.TempDir(), config.Weekly{On: true, Day: time.Monday, At: 8 * time.Hour}
	sunday := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	w, to := weeklyOf(t, data, monday)
	for _, at := range []time.Duration{0, time.Hour, 19 * time.Hour} { // up to 07:00 on Monday
		w.look(t.Context(), sunday.Add(at))
	}
	again, after := weeklyOf(t, data, monday)
	again.look(t.Context(), sunday.Add(21*time.Hour))
	again.look(t.Context(), sunday.Add(22*time.Hour))
	m := <-after.got
	if m.Subject != "FYI: A quiet week: no attack (pbx, weekly summary)" || m.HTML == "" || len(to.got)+len(after.got) != 0 {
		t.Errorf("%q; %d and %d more", m.Subject, len(to.got), len(after.got))
	}
	if body, err := json.Marshal(m.JSON); err != nil || !bytes.Contains(body, []byte(`"event":"weekly"`)) {
		t.Errorf("the webhook gets %s, %v", body, err)
	}
	off, none := weeklyOf(t, data, config.Weekly{})
	off.look(t.Context(), sunday.Add(30*24*time.Hour))
	if len(none.got) > 0 {
		t.Error("one is sent although they are off")
	}
}

// The figures of a week are those of the ledger; accounts to look after come once, the
// gravest reason first.
func TestWeeklyFacts(t *testing.T) {
	w, _ := weeklyOf(t, t.TempDir(), config.Weekly{})
	w.sources.checks = func(time.Time) []control.Check {
		return []control.Check{{Name: "kernel", OK: true}, {Name: "log", Detail: "no such file"}}
	}
	now := time.Now()
	w.sources.ledger.PutIncident(&incident.Incident{At: now.Add(-time.Hour), Threshold: "break-in", Mode: incident.Enforce, Evidence: []incident.Evidence{{Record: score.Record{At: now, Signal: score.SuccessAfterFailures}}}})
	w.sources.ledger.PutIncident(&incident.Incident{At: now.Add(-8 * 24 * time.Hour), Threshold: "scanning", Mode: incident.Enforce})
	for _, h := range []incident.Hold{
		{Account: "1002", Kind: incident.HoldLock}, {Account: "1002", Kind: incident.HoldStolen}, {Account: "1003", Kind: incident.HoldLock}, {Kind: incident.HoldResumed},
	} {
		w.sources.ledger.PutHold(h)
	}
	for n, account := range []string{"1004", "1004", "1005", "1006"} {
		w.sources.ledger.PutGuess(ledger.Guess{
			Account: account, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32), First: now.Add(-time.Hour), Last: now.Add(-time.Hour),
			Failures: 5, Signal: score.InvalidPassword, Own: account == "1006",
		})
	}
	hour := now.Unix() / 3600
	for _, s := range []ledger.Spent{
		{Hour: hour, Account: "1002", Place: "LV", Time: time.Minute, Calls: 1, Money: 4e6, Estimate: true},
		{Hour: hour - 1, Account: "1003", Place: "FR", Time: 2 * time.Minute, Calls: 2, Money: 1e6},
		{Hour: hour - 10*24, Account: "1003", Place: "FR", Time: time.Hour, Calls: 9, Money: 9e6},
	} {
		w.sources.ledger.AddSpending(s)
	}
	got := w.sources.facts(t.Context(), now)
	want := report.Week{
		From: now.Add(-week), To: now, BreakIns: 1, Guessed: 2,
		Incidents: []report.IncidentCount{{Threshold: "break-in", N: 1}},
		AtRisk:    []report.Risk{{Account: "1002", Why: report.RiskStolen}, {Account: "1003", Why: report.RiskLocked}, {Account: "1004", Why: report.RiskGuessed}, {Account: "1005", Why: report.RiskGuessed}},
		Abroad:    report.Use{Calls: 3, Time: 3 * time.Minute, Money: 5e6, Currency: "EUR", Estimate: true},
		Places:    []report.Use{{Place: "LV", Calls: 1, Time: time.Minute, Money: 4e6, Currency: "EUR", Estimate: true}, {Place: "FR", Calls: 2, Time: 2 * time.Minute, Money: 1e6, Currency: "EUR"}},
		Failing:   []report.Check{{Name: got.Failing[0].Name, Detail: "no such file"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	_ = w.sources.ledger.Close()
	if again := w.sources.facts(t.Context(), now); again.Partial == "" {
		t.Error("figures that are missing are not said to be")
	}
}
