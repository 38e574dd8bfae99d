package replay_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/ami/logfile/logforms"
	"github.com/tollwarden/tollwarden/responder/replay"
	"github.com/tollwarden/tollwarden/responder/score"
)

// formGuesses are how many guesses each log has, of 203.0.113.66 and ports from 50 on.
const formGuesses = 12

// Every form of a log is read: each line counts once, with its address and time, and is
// trusted as far as such a log can be.
func TestForms(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range logforms.Forms {
		if names[f.Name] {
			t.Errorf("two forms are named %q", f.Name)
		}
		names[f.Name] = true
		t.Run(f.Name, func(t *testing.T) { replayForm(t, f, berlin) })
	}
	t.Logf("%d forms", len(logforms.Forms))
}

// So it is with the daemon's follower, as the lines are written.
func TestFormsLive(t *testing.T) {
	checks := make([]func(*testing.T), len(logforms.Forms))
	for i, f := range logforms.Forms {
		checks[i] = followForm(t, f)
	}
	time.Sleep(500 * time.Millisecond) // the last line is emitted two polls later
	for i, f := range logforms.Forms {
		t.Run(f.Name, checks[i])
	}
}

func guessFrom(n int) logforms.Entry { return logforms.Guess(fmt.Sprintf("203.0.113.66:%d", 50+n)) }

func dateFormat(t *testing.T, f logforms.Form) *logfile.DateFormat {
	t.Helper()
	if f.DateFormat == "" {
		return nil
	}
	format, err := logfile.ParseDateFormat(f.DateFormat)
	if err != nil {
		t.Fatal(err)
	}
	return format
}

// replayForm replays a log of two days, the first of which is the 12th.
func replayForm(t *testing.T, f logforms.Form, zone *time.Location) {
	at := func(n int) time.Time {
		return time.Date(2026, 11, 12, 20, 0, n, 0, zone).Add(time.Duration(n) * time.Hour)
	}
	var text strings.Builder
	if f.Undated {
		fmt.Fprintf(&text, "%s pbx asterisk[991]: NOTICE[1]: pbx.c:1 in f: x\n", at(0).Format(time.RFC3339))
	}
	for n := range formGuesses {
		text.WriteString(f.Write(at(n), guessFrom(n)))
	}
	path := filepath.Join(t.TempDir(), "messages")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	written := at(formGuesses)
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
	o := replay.Options{Policy: policy()}
	o.Zone, o.DateFormat = zone, dateFormat(t, f)
	n := 0
	o.Saw = func(seen *replay.Observation) {
		want := at(n)
		if f.Undated {
			want = at(0)
		}
		if off := seen.At.Sub(want).Abs(); off >= max(f.Coarse, time.Second) || seen.Source != "203.0.113.66" || seen.Proof == score.Proven.String() && f.Trust != logfile.Own {
			t.Errorf("guess %d is %+v, want it at %s", n, *seen, want)
		}
		n++
	}
	result, err := replay.Run(t.Context(), []string{path}, o)
	if err != nil {
		t.Fatal(err)
	}
	want := formGuesses
	if f.Refused {
		want = 0
	}
	if n != want {
		t.Errorf("%d guesses, want %d: %+v\n%s", n, want, result.Files[0], f.Write(at(0), guessFrom(0)))
	}
	if got := result.Files[0].Trust; want > 0 && got != f.Trust {
		t.Errorf("trust %d, want %d", got, f.Trust)
	}
}

// followForm has a follower read lines that are being written. check is to be called when it
// has had time to.
func followForm(t *testing.T, f logforms.Form) (check func(*testing.T)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "messages")
	now := time.Now()
	var before strings.Builder
	for n := range formGuesses { // what is in it already
		before.WriteString(f.Write(now.Add(-time.Duration(formGuesses-n)*time.Second), guessFrom(1000+n)))
	}
	if err := os.WriteFile(path, []byte(before.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := make(chan logfile.Record, 10*formGuesses)
	follower := &logfile.Follower{Path: path, DateFormat: dateFormat(t, f), Emit: func(r *logfile.Record) { seen <- *r }}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = follower.Run(ctx) }()
	for follower.Place() == nil {
		time.Sleep(time.Millisecond)
	}
	log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	now = time.Now()
	for n := range formGuesses {
		if _, err := log.WriteString(f.Write(now, guessFrom(n))); err != nil {
			t.Fatal(err)
		}
	}
	_ = log.Close()
	return func(t *testing.T) {
		want := formGuesses
		if f.Refused {
			want = 0
		}
		for range 500 {
			if len(seen) >= want {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		stop()
		<-done
		close(seen)
		if n := len(seen); n != want {
			t.Errorf("%d guesses, want %d: %+v", n, want, follower.Health())
		}
		for r := range seen {
			off := r.At.Sub(now).Abs()
			if r.Finding != logfile.Seen || r.Event.Remote.Addr() != netip.MustParseAddr("203.0.113.66") || r.Doubtful != (f.Trust != logfile.Own) ||
				r.At.IsZero() != f.Undated || !f.Undated && off > max(f.Coarse, 2*time.Second) || r.Event.Proven() {
				t.Errorf("finding %d of %s at %s, doubtful %v", r.Finding, r.Event.Remote, r.At, r.Doubtful)
			}
		}
	}
}
