package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A new Follower continues where the last one stopped: in the same file, or after it was
// rotated or truncated, and reads at most maxMissed bytes. These lines count as missed;
// later ones do not.
func TestResuming(t *testing.T) {
	line := func(n int) string {
		return fmt.Sprintf(stamp+"NOTICE[55] manager.c: 198.51.100.%d failed to authenticate as 'a'\n", n)
	}
	for name, tt := range map[string]struct {
		meanwhile func(t *testing.T, path string)
		want      string
	}{
		"nothing":  {func(*testing.T, string) {}, "9"},
		"appended": {func(t *testing.T, path string) { write(t, path, line(3)+line(4)) }, "missed 3, missed 4, 9"},
		"rotated": {func(t *testing.T, path string) {
			write(t, path, line(3))
			move(t, path)
			write(t, path, line(4))
		}, "missed 3, missed 4, 9"},
		"rotated away": {func(t *testing.T, path string) {
			write(t, path, line(3))
			move(t, path)
			write(t, path, line(4))
			if err := os.Remove(path + ".1"); err != nil {
				t.Fatal(err)
			}
		}, "missed 4, 9"},
		"truncated": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			write(t, path, line(3))
		}, "missed 3, 9"},
		"truncated and rewritten": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			write(t, path, line(3)+line(4)+line(5))
		}, "missed 3, missed 4, missed 5, 9"},
		"too much": {func(t *testing.T, path string) {
			write(t, path, line(3)+line(4))
			write(t, path, strings.Repeat(strings.Repeat("x", 1023)+"\n", maxMissed>>10)+line(5))
		}, "missed 5, 9"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "messages")
			var got []string
			emit := func(r *Record) {
				_, n, _ := strings.Cut(r.Event.Remote.Addr().String(), "198.51.100.")
				if r.Missed {
					n = "missed " + n
				}
				got = append(got, n)
			}
			buf := make([]byte, readSize)
			polls := func(f *Follower, n int) {
				for range n {
					f.poll(noon, buf)
				}
			}
			write(t, path, line(1))
			first := &Follower{Path: path, Emit: emit}
			polls(first, 2)
			write(t, path, line(2))
			polls(first, 3)
			place := first.Place()
			if first.close(); strings.Join(got, ", ") != "2" || place == nil {
				t.Fatalf("the first Follower found %v, place %+v", got, place)
			}
			got = nil
			tt.meanwhile(t, path)
			second := &Follower{Path: path, Emit: emit, From: place}
			second.resume()
			polls(second, maxMissed/readSize+5)
			write(t, path, line(9))
			polls(second, 3)
			second.close()
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("the second Follower found %v, want %s", got, tt.want)
			}
		})
	}
}

// A Place is never after a finding that was not emitted, so no crash loses a finding.
func TestPlaceLosesNoFindings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages")
	var text strings.Builder
	for n := range 40 {
		fmt.Fprintf(&text, stamp+"NOTICE[55] manager.c: 198.51.100.%d failed to authenticate as 'a'\n", n)
	}
	write(t, path, text.String())
	emitted := map[string]bool{}
	emit := func(r *Record) { emitted[r.Event.Remote.Addr().String()] = true }
	place := &Place{Path: path}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	place.Device, place.Inode = identity(info)
	for run := range 200 { // each stops after two polls of a few bytes
		f := &Follower{Path: path, Emit: emit, From: place}
		f.resume()
		buf := make([]byte, 150+run%50)
		f.poll(noon, buf)
		f.poll(noon, buf)
		place = f.Place()
		f.close()
	}
	if place.Offset < int64(text.Len())*9/10 || len(emitted) < 39 {
		t.Errorf("emitted %d of 40, up to %d of %d bytes", len(emitted), place.Offset, text.Len())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func move(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
}
