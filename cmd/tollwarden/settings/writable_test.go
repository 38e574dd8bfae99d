package settings

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tollwarden/tollwarden/config"
)

// Steps that could not change Asterisk's files are found before they have to, and
// only if they would change them.
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
		steps []config.Step
		hook  []string
		says  string
	}{
		"can":                      {ours, []config.Step{config.StepRotate, config.StepLock}, nil, ""},
		"cannot write to rotate":   {theirs, []config.Step{config.StepRotate}, nil, "not writable"},
		"cannot write to lock":     {theirs, []config.Step{config.StepLock}, nil, "not writable"},
		"cannot write to restrict": {theirs, []config.Step{config.StepRestrict}, nil, "not writable"},
		"cannot read":              {unreadable, []config.Step{config.StepRotate}, nil, "not readable"},
		"a hook rotates":           {theirs, []config.Step{config.StepRotate}, []string{"/bin/true"}, ""},
		"no socket of a hook":      {theirs, []config.Step{config.StepRotate}, []string{"unix:" + filepath.Join(ours, "none")}, "enable --now tollwarden-hook.socket"},
		"no step writes":           {theirs, []config.Step{config.StepHangup}, nil, ""},
	} {
		cfg := &config.Config{Playbooks: []config.Playbook{{Name: "p", Steps: tt.steps}}, Thresholds: []config.Threshold{{Playbook: "p"}}}
		cfg.Asterisk.ConfigDir = tt.dir
		cfg.Rotate.Store = filepath.Join(ours, "secrets")
		cfg.Rotate.Exec = tt.hook
		err := unprivileged(func() error { return StepsCanWrite(cfg, os.Geteuid()) })
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// What would keep a rotation from storing the password is found before it.
func TestPasswordsThatCannotBeKept(t *testing.T) {
	at := func(store string) *config.Config {
		cfg := &config.Config{
			Mode: config.Enforce, Data: filepath.Dir(store),
			Playbooks: []config.Playbook{{Name: "p", Steps: []config.Step{config.StepRotate}}}, Thresholds: []config.Threshold{{Playbook: "p"}},
		}
		cfg.Asterisk.ConfigDir, cfg.Rotate.Store = t.TempDir(), store
		return cfg
	}
	check := func(cfg *config.Config) error {
		return errors.Join(Writable(cfg.Data), StepsCanWrite(cfg, DaemonUser(cfg)))
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
		err := check(tt.cfg)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	// Root checks for the owner of the data folder.
	for _, path := range []string{filepath.Dir(file), file} {
		if err := check(at(file)); (err == nil) != (path != file) {
			t.Errorf("before %s is another's: %v", path, err)
		}
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(at(file)); err != nil {
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
