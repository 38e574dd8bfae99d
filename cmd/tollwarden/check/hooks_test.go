package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
)

// A command must be one that the daemon's user can run, and not only root.
func TestHook(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const nobody = 65534
	for name, tt := range map[string]struct {
		path  string
		uid   int
		state State
		says  string
	}{
		"missing":     {"/nowhere/hook", 0, Failed, "no such file"},
		"a folder":    {dir, 0, Failed, "a folder"},
		"no program":  {file("text", 0o644), 0, Failed, "cannot run it"},
		"root's only": {file("private", 0o700), nobody, Failed, "the daemon's user (nobody) cannot run it"},
		"root's own":  {file("mine", 0o700), 0, OK, "can run"},
		"everybody's": {"/bin/true", nobody, OK, "can run"},
		"socket":      {"unix:/nowhere.sock", 0, Failed, "hook"},
	} {
		r := hook(t.Context(), "exec.command", []string{tt.path}, tt.uid)
		if r.State != tt.state || !strings.Contains(r.Text, tt.says) {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "root's only" && r.Fix != "chmod a+rx "+tt.path {
			t.Errorf("%s: fix %q", name, r.Fix)
		}
	}
	unused := &config.Config{}
	unused.Rotate.Method, unused.Rotate.Exec = "freepbx", []string{"/nowhere/hook"}
	if got := hooks(t.Context(), unused); len(got) > 0 {
		t.Errorf("a hook that is not in use: %v", got)
	}
}
