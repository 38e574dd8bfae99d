package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// status and check report a missing log; one that comes back is read again, and
// lines too long to be Asterisk's are counted. So is what a full table had no room
// for.
func TestStatusReportsTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "messages")
	const health = "127.0.0.1:9465"
	b := newBooth(t, "log = \""+path+"\"\n[health]\nlisten = \""+health+"\"\n")
	b.start()
	at := []string{"--socket", b.socket()}
	b.run(append([]string{"status"}, at...)...).wants(t, "status without the log", 4, "open log", "no such file")
	b.run("check", "-c", b.config()).wants(t, "check without the log", 1, "FAILED   log:", "no such file")
	if err := os.WriteFile(path, []byte("["+time.Now().Format(time.DateTime)+"] NOTICE[1] manager.c: 203.0.113.7 failed to authenticate as 'admin'\n"+strings.Repeat("x", 100<<10)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.wait("the log to be read", func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Counters["log_events"] == 1
	})
	s, err := b.client().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"calls", "evidence", "ledger_rows"} {
		if _, counted := s.Counters[table+"_over_capacity"]; !counted {
			t.Errorf("status does not count what %s had no room for", table)
		}
	}
	if out := b.run(append([]string{"status"}, at...)...); !strings.Contains(out.out, "read, last line") {
		t.Errorf("status: %s", out.out)
	}
	b.wait("the long line to be counted", func() bool {
		return strings.Contains(get(t, health, "/metrics"), "\ntollwarden_log_long_lines_total 1\n")
	})
	if out := b.run("check", "-c", b.config()); !strings.Contains(out.out, "1 of its last 1 lines show attempts") {
		t.Errorf("check: %s", out.out)
	}
}

// The failed login of the first canary may be in the log before the daemon reads
// it: a log without one is no reason to call it degraded right after the start.
func TestLogWithoutTheFirstCanary(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "messages")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBooth(t, "log = \""+path+"\"\n") // the fake PBX writes no log
	b.start()
	b.wait("the first canary", func() bool {
		s, err := b.client().Status(t.Context())
		return err == nil && s.Asterisk.CanaryHeard != nil
	})
	b.run("status", "--socket", b.socket()).wants(t, "status with a quiet log", 0, "read, no line yet")
}
