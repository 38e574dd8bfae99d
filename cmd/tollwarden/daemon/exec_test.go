package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// runs delivers incidents to a runner and returns the outcome of each.
func runs(t *testing.T, r *commandRunner, incidents int) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.run(ctx) }()
	outcomes := make([]string, incidents)
	var all sync.WaitGroup
	all.Add(incidents)
	for i := range incidents {
		r.Deliver(&incident.Incident{ID: int64(i)}, func(state incident.State, detail string) {
			outcomes[i] = fmt.Sprintf("%s: %s", state, detail)
			all.Done()
		})
	}
	all.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return outcomes
}

func script(t *testing.T, text string) config.Exec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return config.Exec{Command: []string{path}, Within: 20 * time.Second}
}

// Many incidents run a few commands at once, and none is lost.
func TestExecRunsAFewAtOnce(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	r := newCommandRunner(script(t, "echo + >> "+log+"; sleep 0.1; echo - >> "+log), newLedger(t))
	for i, got := range runs(t, r, 20) {
		if got != "done: succeeded" {
			t.Errorf("run %d %s", i, got)
		}
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	now, most := 0, 0
	for _, line := range strings.Fields(string(text)) {
		if now++; line == "-" {
			now -= 2
		}
		most = max(most, now)
	}
	if most < 2 || most > maxCommands || now != 0 {
		t.Errorf("%d ran at once, %d still do", most, now)
	}
}

// What a command prints is kept in part and harmless; one that does not end is
// killed with all it started.
func TestExecOutcomes(t *testing.T) {
	slow := script(t, "sleep 60 & wait")
	slow.Within = 100 * time.Millisecond
	for name, c := range map[string]struct {
		exec config.Exec
		want string
	}{
		"says":   {script(t, `printf 'a\033[2J\nb'`), `done: succeeded; output: "a\x1b[2J\nb"`},
		"fails":  {script(t, `echo no >&2; exit 3`), `: exit status 3: it said "no"`},
		"slow":   {slow, "not finished after 100ms, killed"},
		"none":   {config.Exec{}, "failed: exec.command is no longer set"},
		"absent": {config.Exec{Command: []string{"/nonexistent/hook"}}, "no such file or directory"},
	} {
		if got := runs(t, newCommandRunner(c.exec, newLedger(t)), 1)[0]; !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if got := runs(t, newCommandRunner(script(t, "yes | head -c 100000"), newLedger(t)), 1)[0]; len(got) > 1000 {
		t.Errorf("an outcome of %d bytes", len(got))
	}
}

// When the queue is full the rest is refused, and says so; nobody waits.
func TestExecQueueIsBounded(t *testing.T) {
	r := newCommandRunner(config.Exec{}, newLedger(t))
	refused := 0
	for range maxWaitingCommands + 5 {
		r.Deliver(&incident.Incident{}, func(incident.State, string) { refused++ })
	}
	if refused != 5 {
		t.Errorf("%d refused", refused)
	}
}
