package logfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// failedAt is a line of a failure of 198.51.100.n at a time.
func failedAt(at time.Time, n int) string {
	return at.Format("[2006-01-02 15:04:05] ") + fmt.Sprintf("NOTICE[55] manager.c: 198.51.100.%d failed to authenticate as 'a'\n", n)
}

// noteIn makes an Emit that notes the last number of each address.
func noteIn(into *[]string) func(*Record) {
	return func(r *Record) {
		n := strings.TrimPrefix(r.Event.Remote.Addr().String(), "198.51.100.")
		if r.Missed {
			n = "missed " + n
		}
		*into = append(*into, n)
	}
}

// Without an earlier process, what was written since a time is read, in every rotated file
// that was written since then, the oldest first.
func TestReadingWhatWasBefore(t *testing.T) {
	now := time.Now()
	path := filepath.Join(t.TempDir(), "messages")
	put := func(suffix string, age time.Duration, text string) {
		write(t, path+suffix, text)
		if err := os.Chtimes(path+suffix, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	put("-20261101", 50*time.Hour, failedAt(now.Add(-50*time.Hour), 1))
	put(".2", 20*time.Hour, failedAt(now.Add(-20*time.Hour), 2))
	put(".1", 10*time.Hour, failedAt(now.Add(-10*time.Hour), 3))
	put("_other", time.Hour, failedAt(now, 99))
	put(".3.gz", time.Hour, failedAt(now, 98))
	put("", 0, failedAt(now, 4)+failedAt(now, 5))
	for since, want := range map[time.Time]string{
		now.Add(-24 * time.Hour): "missed 2, missed 3, missed 4, missed 5",
		now.Add(-time.Hour):      "missed 4, missed 5",
		{}:                       "",
	} {
		var got []string
		f := Follower{Path: path, Since: since, Emit: noteIn(&got)}
		if err := f.ReadMissed(t.Context()); err != nil || strings.Join(got, ", ") != want {
			t.Errorf("since %s: %q, want %q (%v)", since, got, want, err)
		}
	}
	if err := (&Follower{Path: path + "not", Since: now, Emit: noteIn(new([]string))}).ReadMissed(t.Context()); err == nil {
		t.Error("no error without a log")
	}
}

// A log that was rotated twice meanwhile is read in all its files.
func TestResumingAfterTwoRotations(t *testing.T) {
	now := time.Now()
	path := filepath.Join(t.TempDir(), "messages")
	write(t, path, failedAt(now, 1))
	buf := make([]byte, readSize)
	first := &Follower{Path: path, Emit: func(*Record) {}}
	for range 3 {
		first.poll(now, buf)
	}
	place := first.Place()
	first.close()
	write(t, path, failedAt(now, 2))
	for n, suffix := range []string{".2", ".1"} {
		if err := os.Rename(path, path+suffix); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path+suffix, now, now.Add(time.Duration(n-5)*time.Minute)); err != nil {
			t.Fatal(err)
		}
		write(t, path, failedAt(now, 3+n))
	}
	var got []string
	if err := (&Follower{Path: path, From: place, Emit: noteIn(&got)}).ReadMissed(t.Context()); err != nil || strings.Join(got, ", ") != "missed 2, missed 3, missed 4" {
		t.Errorf("%q, %v", got, err)
	}
}

// CatchUp returns once what is in the log has been emitted.
func TestCatchUp(t *testing.T) {
	now := time.Now()
	path := filepath.Join(t.TempDir(), "messages")
	write(t, path, failedAt(now, 1))
	emitted := make(chan struct{}, 1000)
	f := &Follower{Path: path, Since: now.Add(-time.Hour), Emit: func(*Record) { emitted <- struct{}{} }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	for n := range 5 {
		if err := f.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(emitted) != n+1 {
			t.Errorf("%d lines were emitted, want %d", len(emitted), n+1)
		}
		write(t, path, failedAt(now, n+2))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := f.CatchUp(ctx); err == nil {
		t.Error("no error though nothing runs")
	}
}

// The dates of a log in another time zone are read as that.
func TestDatesOfAnotherZone(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for _, off := range []time.Duration{0, 2 * time.Hour, -5 * time.Hour, 5*time.Hour + 30*time.Minute} {
		path := filepath.Join(t.TempDir(), "messages")
		write(t, path, failedAt(now.Add(off-time.Hour), 1)+failedAt(now.Add(off), 2))
		if err := os.Chtimes(path, now, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		var got []time.Time
		f := Follower{Path: path, Since: now.Add(-24 * time.Hour), Emit: func(r *Record) { got = append(got, r.At) }}
		if err := f.ReadMissed(t.Context()); err != nil || len(got) != 2 || !got[0].Equal(now.Add(-time.Hour)) || !got[1].Equal(now) {
			t.Errorf("off by %s: %v, want %s (%v)", off, got, now, err)
		}
	}
	// The time of a file that was changed by hand says nothing.
	if shift := shiftBetween(now, now.Add(2*time.Hour+40*time.Second)); shift != 0 {
		t.Errorf("%s", shift)
	}
}

// The most that is read at the start takes a second or two.
func BenchmarkReadMissed(b *testing.B) {
	path := filepath.Join(b.TempDir(), "messages")
	now := time.Now()
	line := now.Format("[2006-01-02 15:04:05] ") + `NOTICE[55] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1002@192.0.2.1>' failed for '192.0.2.66:5060' (callid: 1234567890abcdef@192.0.2.66) - Failed to authenticate` + "\n"
	if err := os.WriteFile(path, []byte(strings.Repeat(line, maxMissed/len(line))), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(maxMissed)
	for b.Loop() {
		n := 0
		f := Follower{Path: path, Since: now.Add(-time.Hour), Emit: func(*Record) { n++ }}
		if err := f.ReadMissed(context.Background()); err != nil || n == 0 {
			b.Fatal(n, err)
		}
	}
}
