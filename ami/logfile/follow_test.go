package logfile

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A line that a manager event may precede waits for it; one of chan_iax2, which
// raises none, is passed on at once.
func TestLinesWaitForTheirEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		line        string
		after, late time.Duration // it is passed on between these
	}{
		"chan_iax2": {"[2026-11-22 12:00:00.000] NOTICE[1] chan_iax2.c: Host 203.0.113.9 failed MD5 authentication for '2001' (a != b)\n", 0, 25 * time.Millisecond},
		"manager":   {"[2026-11-22 12:00:00.000] NOTICE[1] manager.c: 203.0.113.9 failed to authenticate as 'x'\n", 95 * time.Millisecond, 310 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "messages")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				found := make(chan time.Time, 1)
				f := Follower{Path: path, Emit: func(*Record) { found <- time.Now() }}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); _ = f.Run(ctx) }()
				time.Sleep(time.Second + 10*time.Millisecond) // between two polls, which may not see half a write
				if err := os.WriteFile(path, []byte(tt.line), 0o600); err != nil {
					t.Fatal(err)
				}
				written := time.Now()
				if took := (<-found).Sub(written); took < tt.after || took > tt.late {
					t.Errorf("passed on after %s, want %s to %s", took, tt.after, tt.late)
				}
				cancel()
				<-done
			})
		})
	}
}
