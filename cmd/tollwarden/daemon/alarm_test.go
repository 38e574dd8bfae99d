package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/report"
)

// An alarm reaches a webhook as JSON, and is counted.
func TestAlarmsAreDelivered(t *testing.T) {
	got := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer hook.Close()
	cfg := config.Default().Notify
	n, err := parseNotifyConfig(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	alarms := &alarmNotifier{notifier: newNotifier(n, newLedger(t), zerolog.Nop())}
	alarms.notify(alarm{Event: alarmTest}) // to nobody
	if alarms.delivered.Load()+alarms.failed.Load() != 0 {
		t.Error("an alarm to nobody counts")
	}
	cfg.Webhook = hook.URL
	if n, err = parseNotifyConfig(&cfg); err != nil {
		t.Fatal(err)
	}
	alarms.notifier.set(n)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- alarms.notifier.post.Run(ctx) }()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	alarms.notify(alarm{Event: alarmDegraded, At: at, Text: "tollwarden is degraded", Checks: []control.Check{{Name: "kernel", Detail: "gone"}}})
	var sent alarm
	if body := <-got; json.Unmarshal([]byte(body), &sent) != nil || sent.Event != alarmDegraded || !sent.At.Equal(at) || len(sent.Checks) != 1 {
		t.Errorf("the webhook got %s", body)
	}
	for deadline := time.Now().Add(5 * time.Second); alarms.delivered.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if alarms.delivered.Load() != 1 {
		t.Errorf("%d delivered, %d failed", alarms.delivered.Load(), alarms.failed.Load())
	}
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAlarmText(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	style := report.Style{Site: "pbx", Zone: time.UTC}
	for name, tt := range map[string]struct {
		message *notify.Message
		want    string // in the subject or the text
	}{
		"repaired": {alarmMessage(style, repairAlarm(firewall.GuardEvent{At: at, Found: []string{"a chain is gone"}})), "and has been"},
		"degraded": {alarmMessage(style, alarm{Event: alarmDegraded, At: at, Checks: []control.Check{{Name: "kernel", Detail: "gone"}}}), "kernel: gone\n"},
		"subject":  {alarmMessage(style, alarm{Event: alarmGap, At: at}), "FYI: Events were lost for a time (pbx, alarm)"},
		"host":     {alarmMessage(style, alarm{Event: alarmGap, At: at}), "\npbx · alarm · Sun 22 Nov 2026, 12:00 UTC\n"},
		"test":     {testMessage(style, at), "This is a test of `tollwarden check --notify`"},
	} {
		if text := tt.message.Subject + "\n" + tt.message.Text; !strings.Contains(text, tt.want) {
			t.Errorf("%s: %q, want %q", name, text, tt.want)
		}
	}
}
