package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A log that is missing is told, in status and in check; one that comes back
// is read again.
func TestStatusTellsOfTheLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "messages")
	b := newBooth(t, "log = \""+path+"\"\n")
	b.start()
	at := []string{"--socket", b.socket()}
	b.run(append([]string{"status"}, at...)...).wants(t, "status without the log", 4, "open log", "no such file")
	b.run("check", "-c", b.config()).wants(t, "check without the log", 1, "log: FAILED", "no such file")
	if err := os.WriteFile(path, []byte("[2026-11-22 12:00:00] NOTICE[1] manager.c: 203.0.113.7 failed to authenticate as 'admin'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.wait("the log to be read", func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Counters["log_events"] == 1
	})
	if out := b.run(append([]string{"status"}, at...)...); !strings.Contains(out.out, "read, last line") {
		t.Errorf("status: %s", out.out)
	}
	if out := b.run("check", "-c", b.config()); !strings.Contains(out.out, "of its last 1 lines 1 tell of attempts") {
		t.Errorf("check: %s", out.out)
	}
}
