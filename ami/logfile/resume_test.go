package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What was written while nobody read is read by the next life, from where the
// last one left off: in the same file, in one that was rotated away, in one that
// was truncated, and at most so much of it. What comes after is not missed.
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
		"truncated and written anew": {func(t *testing.T, path string) {
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
			buf := make([]byte, readAtOnce)
			looks := func(f *Follower, n int) {
				for range n {
					f.look(noon, buf)
				}
			}
			write(t, path, line(1))
			first := &Follower{Path: path, Emit: emit}
			looks(first, 2)
			write(t, path, line(2))
			looks(first, 3)
			place := first.Place()
			if first.close(); strings.Join(got, ", ") != "2" || place == nil {
				t.Fatalf("the first life found %v, place %+v", got, place)
			}
			got = nil
			tt.meanwhile(t, path)
			second := &Follower{Path: path, Emit: emit, From: place}
			second.resume()
			looks(second, maxMissed/readAtOnce+5)
			write(t, path, line(9))
			looks(second, 3)
			second.close()
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("the second life found %v, want %s", got, tt.want)
			}
		})
	}
}

// A place never lies behind a finding that is not told yet: a death there loses
// nothing.
func TestAPlaceLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages")
	var text strings.Builder
	for n := range 40 {
		fmt.Fprintf(&text, stamp+"NOTICE[55] manager.c: 198.51.100.%d failed to authenticate as 'a'\n", n)
	}
	write(t, path, text.String())
	told := map[string]bool{}
	emit := func(r *Record) { told[r.Event.Remote.Addr().String()] = true }
	place := &Place{Path: path}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	place.Device, place.Inode = identity(info)
	for life := range 200 { // each dies after two looks at a few bytes
		f := &Follower{Path: path, Emit: emit, From: place}
		f.resume()
		buf := make([]byte, 150+life%50)
		f.look(noon, buf)
		f.look(noon, buf)
		place = f.Place()
		f.close()
	}
	if place.Offset < int64(text.Len())*9/10 || len(told) < 39 {
		t.Errorf("told %d of 40, up to %d of %d bytes", len(told), place.Offset, text.Len())
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
