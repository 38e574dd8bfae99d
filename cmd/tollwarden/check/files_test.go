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
	if len(got) != 2 || !strings.Contains(text(got), "chmod 640 "+file) || !strings.Contains(text(got), "the ledger") {
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
