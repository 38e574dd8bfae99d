package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
	"github.com/tollwarden/tollwarden/config"
)

// The commands do what they say, in the file and the section that is meant, and nowhere else.
func TestSetVariable(t *testing.T) {
	for name, tt := range map[string]struct{ before, section, variable, value string }{
		"another value": {"[general]\nread = all\n[tollwarden]\nsecret = s\nread = call\nwrite = all\n[x]\nread = call\n", "tollwarden", "read", "security,call"},
		"none yet":      {"[tollwarden](tpl)\nsecret = s\n[x]\nread = call\n", "tollwarden", "read", "security,call"},
		"twice":         {"[tollwarden]\nread = cdr\n\tread=call ; mine\n", "tollwarden", "read", "security,call"},
		"odd name":      {"[a.b/c]\nread = cdr\n[aXb/c]\nread = cdr\n", "a.b/c", "read", "security"},
		"arrow":         {"[logfiles]\nmessages => warning\n", "logfiles", "messages", "warning,notice"},
	} {
		path := filepath.Join(t.TempDir(), "it's.conf")
		if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
			t.Fatal(err)
		}
		command := setVariable(path, tt.section, tt.variable, tt.value)
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		conf, err := conffile.Load(filepath.Dir(path), filepath.Base(path))
		if err != nil || conf.Value(tt.section, tt.variable) != tt.value {
			after, _ := os.ReadFile(path)
			t.Errorf("%s: %v\n%s\n%s", name, err, command, after)
		}
		for _, other := range []string{"x", "general", "aXb/c"} {
			if conf.Has(other) && conf.Value(other, "read") == tt.value {
				t.Errorf("%s: [%s] is changed, too", name, other)
			}
		}
	}
}

// An old key is renamed on its line.
func TestRenameKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.toml")
	old := "[asterisk]\nusername = \"u\"\nsecret = \"s\"\n[bans]\nclaimed = \"5m\"\n[[playbook]]\nname = \"p\"\nsteps = [\"expire-contacts\"]\n[[threshold]]\nname = \"t\"\nper = \"account\"\nsignals = { InvalidPassword = 1 }\nscore = 3\nwithin = \"1h\"\nplaybook = \"p\"\n"
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.Env{})
	if err != nil || len(cfg.Warnings) != 2 {
		t.Fatalf("%v, %v", cfg.Warnings, err)
	}
	for _, w := range cfg.Warnings {
		if out, err := exec.Command("sh", "-c", renameKey(w)).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", renameKey(w), err, out)
		}
	}
	if cfg, err = config.Load(path, config.Env{}); err != nil || len(cfg.Warnings) > 0 {
		after, _ := os.ReadFile(path)
		t.Errorf("%v, %v:\n%s", cfg.Warnings, err, after)
	}
}

// The section of a user is found in the file that has it, and its classes are kept.
func TestManagerFix(t *testing.T) {
	cfg := load(t, "127.0.0.1:5038", "")
	for name, content := range map[string]string{
		"manager.conf":        "[general]\nenabled = yes\n#include manager_custom.conf\n",
		"manager_custom.conf": "[tollwarden]\nread = call,cdr\n",
	} {
		if err := os.WriteFile(filepath.Join(cfg.Asterisk.ConfigDir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := managerFix(cfg, "read", withClasses(cfg, "read", "security", "call"))
	for _, want := range []string{"manager_custom.conf", "read = call,cdr,security", "&& asterisk -rx 'manager reload'"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in %s", want, got)
		}
	}
}
