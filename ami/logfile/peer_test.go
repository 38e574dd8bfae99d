package logfile_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/logfile"
)

// sample is fail2ban's own sample of Asterisk's log, "" if it is not on this machine: Debian's,
// or one that `make fail2ban` has fetched.
func sample() string {
	cache, _ := os.UserCacheDir()
	for _, dir := range []string{os.Getenv("TOLLWARDEN_FAIL2BAN"), "/usr/lib/python3/dist-packages", filepath.Join(cache, "tollwarden-fail2ban/usr/lib/python3/dist-packages")} {
		path := filepath.Join(dir, "fail2ban/tests/files/logs/asterisk")
		if _, err := os.Stat(path); dir != "" && err == nil {
			return path
		}
	}
	return ""
}

// Each line that fail2ban's filter takes for a failure is one for us, from the same address.
func TestFail2banSample(t *testing.T) {
	path := sample()
	if path == "" {
		t.Skip("fail2ban is not on this machine: make fail2ban fetches it")
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var expected *struct {
		Match bool
		Host  string
	}
	lines := 0
	for in := bufio.NewScanner(file); in.Scan(); {
		line := in.Text()
		if text, ok := strings.CutPrefix(line, "# failJSON:"); ok {
			expected = nil
			if err := json.Unmarshal([]byte(text), &expected); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			continue
		}
		if expected == nil || strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		want := ""
		if expected.Match {
			want = expected.Host
		}
		lines++
		if got := sourceOf(line); got != want {
			t.Errorf("from %q, fail2ban says %q: %s", got, want, line)
		}
		expected = nil
	}
	if lines < 40 {
		t.Errorf("only %d lines were compared", lines)
	}
}

// sourceOf is the address that a line shows a failure from, "" if it shows none.
func sourceOf(line string) (source string) {
	p := logfile.Parser{Clock: logfile.Clock{Location: time.UTC, Latest: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}}
	take := func(r *logfile.Record) {
		if r.Event.Remote.IsValid() {
			source = r.Event.Remote.Addr().String()
		}
	}
	p.Line([]byte(line), take)
	p.Flush(take)
	return source
}
