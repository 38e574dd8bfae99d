package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/config"
)

// What was guessed before the start is known before anything of it is judged: which address
// failed for which extension, how often and when, within the last day.
func TestGuessesBeforeTheStart(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	at := func(age time.Duration, text string) string {
		return now.Add(-age).Format("[2006-01-02 15:04:05] ") + text + "\n"
	}
	failed := func(account, source string) string {
		return fmt.Sprintf("NOTICE[5] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:%s@192.0.2.1>' failed for '%s:5060' (callid: x) - Failed to authenticate", account, source)
	}
	text := at(25*time.Hour, failed("1001", "192.0.2.66")) +
		at(2*time.Hour, failed("1002", "192.0.2.66")) + at(time.Hour, failed("1002", "192.0.2.66")) +
		at(time.Minute, "NOTICE[5] chan_sip.c: Registration from '<sip:1003@192.0.2.1>' failed for '198.51.100.10:5061' - Wrong password") +
		at(time.Minute, "NOTICE[5] manager.c: 198.51.100.9 failed to authenticate as 'admin'")
	path := filepath.Join(t.TempDir(), "messages")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := sensorOf(t, path, now)
	s.before.read(t.Context(), now, &logfile.Follower{Path: path, Since: now.Add(-maxMissed)})
	got := map[string]string{}
	for _, g := range s.Guesses(t.Context()) {
		got[g.Account+" "+g.Source.String()] = fmt.Sprintf("%d in %s", g.Failures, g.Last.Sub(g.First))
	}
	if fmt.Sprint(got) != "map[1002 192.0.2.66:2 in 1h0m0s 1003 198.51.100.10:1 in 0s]" {
		t.Errorf("%v", got)
	}
	if again := s.Guesses(t.Context()); len(again) > 0 {
		t.Errorf("again: %v", again)
	}
	if s.Unknown() != failuresBefore {
		t.Errorf("%q", s.Unknown())
	}
	none := sensorOf(t, "", now)
	none.Reported(t.Context()) // waits for nothing
	if none.Guesses(t.Context()) != nil || !strings.Contains(none.Unknown(), "set asterisk.log") {
		t.Errorf("%q", none.Unknown())
	}
}

// sensorOf is the sensor of a log, or of none.
func sensorOf(t *testing.T, path string, now time.Time) *logSensor {
	t.Helper()
	cfg := config.Default()
	cfg.Asterisk.Log = path
	s, err := newLogSensor(cfg, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
