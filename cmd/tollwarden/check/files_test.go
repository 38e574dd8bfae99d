package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Files with secrets that others can read are named with the chmod that closes them.
func TestFileModes(t *testing.T) {
	cfg := load(t, "127.0.0.1:5038", "")
	file := filepath.Join(t.TempDir(), "tollwarden.toml")
	for path, mode := range map[string]os.FileMode{file: 0o644, filepath.Join(cfg.Data, "ledger.db"): 0o644, cfg.Rotate.Store: 0o600} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	got := fileModes(file)(t.Context(), cfg)
	if len(got) != 2 || !strings.Contains(text(got), "chmod 640 "+file) || !strings.Contains(text(got), "the records") {
		t.Fatalf("%s", text(got))
	}
	for _, r := range got {
		if out, err := exec.Command("sh", "-c", r.Fix).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", r.Fix, err, out)
		}
	}
	if got := fileModes(file)(t.Context(), cfg); len(got) != 1 || got[0].State != OK {
		t.Errorf("after the fixes: %s", text(got))
	}
}

// What root can read but the daemon's user cannot is named, with a command that changes it.
func TestReadableForTheDaemon(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: files of two users")
	}
	cfg := load(t, "127.0.0.1:5038", "")
	const nobody = 65534
	if err := os.Chown(cfg.Data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "tollwarden.toml")
	cfg.Asterisk.Log = filepath.Join(dir, "messages")
	line := "[2026-11-22 12:00:00] NOTICE[1] manager.c: 203.0.113.7 failed to authenticate as 'admin'\n"
	for path, text := range map[string]string{file: "", cfg.Asterisk.Log: line} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := fileModes(file)(t.Context(), cfg)
	if len(got) != 1 || got[0].State != Failed || got[0].Fix != "chown nobody "+file {
		t.Errorf("the configuration: %s", text(got))
	}
	got = readLog(cfg, Options{})
	if len(got) != 1 || got[0].State != Failed || got[0].Fix != "setfacl -m u:nobody:rX "+cfg.Asterisk.Log {
		t.Errorf("the log: %s", text(got))
	}
	if err := os.Chmod(cfg.Asterisk.Log, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := readLog(cfg, Options{}); got[0].State != OK {
		t.Errorf("the log for everybody: %s", text(got))
	}
}
