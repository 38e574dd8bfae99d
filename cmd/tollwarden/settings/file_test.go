package settings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
)

const configText = "data = \"/srv/tw\"\n[asterisk]\nusername = \"u\"\n"

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The secret of the environment is gone from it after the start, and serves
// every reload.
func TestSecretOfTheEnvironmentServesReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.toml")
	writeFile(t, path, configText)
	t.Setenv(config.SecretEnv, "from env")
	f, cfg, err := Open(path)
	if err != nil || cfg.Asterisk.Secret != "from env" {
		t.Fatalf("first: %v", err)
	}
	if os.Getenv(config.SecretEnv) != "" {
		t.Error("the secret is still in the environment")
	}
	if cfg, _, err = f.Read(); err != nil || cfg.Asterisk.Secret != "from env" {
		t.Errorf("again: %v", err)
	}
}

// A file that was written anew with the same text is no change.
func TestChangedFileShows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.toml")
	writeFile(t, path, configText+"secret = \"s\"\n")
	f, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now()
	for _, step := range []struct {
		text    string
		changed bool
		refused string
	}{
		{configText + "secret = \"s\"\n", false, ""},
		{configText + "secret = \"x\"\n", true, ""},
		{configText + "secret = \"s\"\nsecrte = 1\n", true, "unknown key"}, // before anybody has tried
		{configText + "secret = \"s\"\n", false, ""},
	} {
		writeFile(t, path, step.text)
		later = later.Add(time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		got := f.State()
		if got.Changed != step.changed || (got.Refused == "") != (step.refused == "") || !strings.Contains(got.Refused, step.refused) {
			t.Errorf("%+v, want changed %v, refused %q with\n%s", got, step.changed, step.refused, step.text)
		}
	}
	if err := os.Remove(path); err != nil || !f.State().Changed {
		t.Error("a file that is gone does not show")
	}
}

// What a reload cannot change is named as the file writes it, and what it can
// is not.
func TestFixedKeys(t *testing.T) {
	was := config.Default()
	is := config.Default()
	if keys := NeedRestart(was, is); len(keys) > 0 {
		t.Errorf("nothing differs: %v", keys)
	}
	is.Mode, is.Thresholds, is.Playbooks = config.Observe, nil, nil
	is.Bans.Forget, is.BreakIn.Failures, is.Calls.Country = 1, 99, "FR"
	is.Restrict.Networks, is.Restrict.Quiet = 9, 1
	is.Notify.Webhook, is.Health.Canary = "https://example.org/", 7
	is.Firewall.Allow, is.Firewall.SIPPorts, is.Firewall.TCPPorts = nil, []uint16{5080}, []uint16{5443}
	if keys := NeedRestart(was, is); len(keys) > 0 {
		t.Errorf("a reload can change %v", keys)
	}
	is.Asterisk.TLSCA, is.Asterisk.ConfigDir, is.Health.Listen = "x", "y", "z"
	is.Firewall.Table, is.Rotate.ExecWithin, is.BreakIn.Known = "other", 3, 1
	want := []string{"break_in.known", "asterisk.tls_ca", "asterisk.config_dir", "firewall.table", "rotate.exec_within", "health.listen"}
	got := NeedRestart(was, is)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// An old name of a key keeps the daemon running; the log and status show it, and
// status forgets it once it is renamed.
func TestOldNamesAreWarnings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.toml")
	writeFile(t, path, configText+"secret = \"s\"\n[bans]\nclaimed = \"5m\"\n")
	f, cfg, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = "bans.claimed is now bans.spoofable (line 6): rename it"
	if !slices.Equal(cfg.Bans.Spoofable, []time.Duration{5 * time.Minute}) {
		t.Errorf("the old key was not read: %s", cfg.Bans.Spoofable)
	}
	var log bytes.Buffer
	LogWarnings(zerolog.New(&log), cfg)
	if !strings.Contains(log.String(), want) || !strings.Contains(log.String(), path) {
		t.Errorf("the log has %s", &log)
	}
	if got := f.State().Warnings; !slices.Equal(got, []string{want}) {
		t.Errorf("status has %q, want %q", got, want)
	}
	if got := Warnings(cfg); !slices.Equal(got, []string{path + ": " + want}) {
		t.Errorf("check prints %q", got)
	}
	writeFile(t, path, configText+"secret = \"s\"\n[bans]\nspoofable = \"6m\"\n")
	if cfg, sum, err := f.Read(); err != nil {
		t.Error(err)
	} else if f.Applied(cfg, sum); f.State().Warnings != nil {
		t.Errorf("after the rename: %v", f.State().Warnings)
	}
}

// What a reload refused shows until the file changes.
func TestRefusedFileShows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.toml")
	writeFile(t, path, configText+"secret = \"s\"\n")
	f, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Path() != path {
		t.Errorf("path %q", f.Path())
	}
	f.Refused(errors.New("only a restart can change data"))
	if s := f.State(); !s.Changed || s.Refused != "only a restart can change data" {
		t.Errorf("%+v", s)
	}
	writeFile(t, path, configText+"secret = \"s\"\n\n")
	if s := f.State(); !s.Changed || s.Refused != "" {
		t.Errorf("after a change: %+v", s)
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a file that does not exist: %v", err)
	}
}
