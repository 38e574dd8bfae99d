package main

import (
	"io"
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
		d := &daemon{cfg: cfg, allow: &allowance{}}
		d.inForce.Store(cfg)
		if got := unprivileged(d.checkFiles); got.OK != tt.ok || !strings.Contains(got.Detail, tt.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What a rotation would find of the secrets' file is told before it, and so is
// what a reload adds to the playbooks.
func TestSecretsThatCannotBeKept(t *testing.T) {
	book := func(cfg *config.Config, step config.Step) *config.Config {
		cfg.Playbooks, cfg.Thresholds = []config.Playbook{{Name: "p", Steps: []config.Step{step}}}, []config.Threshold{{Playbook: "p"}}
		return cfg
	}
	at := func(store string) *config.Config {
		cfg := &config.Config{Mode: config.Enforce, Data: filepath.Dir(store)}
		cfg.Asterisk.ConfigDir, cfg.Rotate.Store = t.TempDir(), store
		return book(cfg, config.StepRotate)
	}
	file, folder, open := filepath.Join(t.TempDir(), "secrets"), t.TempDir(), filepath.Join(t.TempDir(), "secrets")
	writeFile(t, file, "")
	writeFile(t, open, "")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	sealed := at(file)
	sealed.Rotate.Recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	for name, tt := range map[string]struct {
		cfg  *config.Config
		says string
	}{
		"a file":                {at(file), ""},
		"none yet":              {at(filepath.Join(folder, "secrets")), ""},
		"none, and no folder":   {at(filepath.Join(folder, "a", "b", "secrets")), ""},
		"the recipient is gone": {at(folder), "a folder"},
		"there is now one":      {sealed, "a file"},
		"others can read it":    {at(open), "chmod 600"},
		"a file for its folder": {at(filepath.Join(file, "secrets")), "not a directory"},
	} {
		d := &daemon{allow: &allowance{}, cfg: book(&config.Config{Mode: config.Enforce}, config.StepHangup)}
		d.inForce.Store(tt.cfg) // by a reload
		if got := d.checkFiles(); got.OK != (tt.says == "") || !strings.Contains(got.Detail, tt.says) {
			t.Errorf("%s: status says %+v", name, got)
		}
		err := checkFiles(t.Context(), io.Discard, tt.cfg)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: check says %v", name, err)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	// Root looks with the eyes of whom the data folder belongs to.
	for _, path := range []string{filepath.Dir(file), file} {
		if err := checkFiles(t.Context(), io.Discard, at(file)); (err == nil) != (path != file) {
			t.Errorf("before %s is another's: %v", path, err)
		}
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkFiles(t.Context(), io.Discard, at(file)); err != nil {
		t.Errorf("all is the daemon's: %v", err)
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
