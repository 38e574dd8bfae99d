package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/config"
)

// A daemon whose steps could not change Asterisk's files says so before they
// have to, and only where they would.
func TestStepsThatCannotWrite(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives files to another user: needs root")
	}
	theirs := t.TempDir() // a folder of Asterisk's user, as packages make it
	for name, mode := range map[string]os.FileMode{"pjsip.conf": 0o640, "": 0o755} {
		path := filepath.Join(theirs, name)
		if name != "" {
			if err := os.WriteFile(path, nil, mode); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	ours := t.TempDir()
	unreadable := filepath.Join(t.TempDir(), "asterisk")
	if err := os.CopyFS(unreadable, os.DirFS(theirs)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(unreadable, "pjsip.conf"), 0); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		dir   string
		mode  config.Mode
		steps []config.Step
		hook  []string
		ok    bool
		says  string
	}{
		"can":                      {ours, config.Enforce, []config.Step{config.StepRotate, config.StepLock}, nil, true, ""},
		"cannot write to rotate":   {theirs, config.Enforce, []config.Step{config.StepRotate}, nil, false, "not writable"},
		"cannot write to lock":     {theirs, config.Enforce, []config.Step{config.StepLock}, nil, false, "not writable"},
		"cannot write to restrict": {theirs, config.Enforce, []config.Step{config.StepRestrict}, nil, false, "not writable"},
		"cannot read":              {unreadable, config.Enforce, []config.Step{config.StepRotate}, nil, false, "not readable"},
		"a hook rotates":           {theirs, config.Enforce, []config.Step{config.StepRotate}, []string{"/bin/true"}, true, ""},
		"no step writes":           {theirs, config.Enforce, []config.Step{config.StepHangup}, nil, true, ""},
		"nothing is written yet":   {theirs, config.Observe, []config.Step{config.StepRotate}, nil, true, "not writable"},
	} {
		cfg := &config.Config{Mode: tt.mode, Playbooks: []config.Playbook{{Name: "p", Steps: tt.steps}}, Thresholds: []config.Threshold{{Playbook: "p"}}}
		cfg.Asterisk.ConfigDir = tt.dir
		cfg.Rotate.Store = filepath.Join(ours, "secrets")
		cfg.Rotate.Exec = tt.hook
		d := &daemon{cfg: cfg}
		if got := unprivileged(d.checkFiles); got.OK != tt.ok || !strings.Contains(got.Detail, tt.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// unprivileged runs f without root's right to pass over modes.
func unprivileged[T any](f func() T) T {
	result := make(chan T)
	go func() {
		runtime.LockOSThread() // and never given back
		// Of root's user, access(2) asks the permitted set.
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			panic(err)
		}
		result <- f()
	}()
	return <-result
}
