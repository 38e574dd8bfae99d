package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/test/lab"
)

// The guided first start writes nothing unless it is told to, then what works,
// and never over anything.
func TestSetup(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		folder, etc := t.TempDir(), l.Path("/etc/asterisk")
		tools := t.TempDir() // where `asterisk` is the lab's
		script := fmt.Sprintf("#!/bin/sh\nexec chroot %s asterisk \"$@\"\n", strings.TrimSuffix(l.Path("/"), "/"))
		if err := os.WriteFile(filepath.Join(tools, "asterisk"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		setup := func(answer string, more ...string) (string, error) {
			cmd := l.PBX.Command(context.Background(), path, append([]string{"setup", "--asterisk", etc, "--folder", filepath.Base(folder)}, more...)...)
			cmd.Dir = filepath.Dir(folder)
			cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"))
			cmd.Stdin = strings.NewReader(answer)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		manager := func() string {
			text, err := os.ReadFile(filepath.Join(etc, "manager.conf"))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if out, err := setup("y\n"); err == nil || !strings.Contains(out, "already has a section [tollwarden]") {
			t.Errorf("beside the lab's own user: %v\n%s", err, out)
		}
		// Bound to one address, Asterisk sees us come from there.
		renamed := strings.NewReplacer("[tollwarden]", "[another]", "bindaddr = 127.0.0.1", "bindaddr = "+lab.PBXAddress).Replace(manager())
		if err := os.WriteFile(filepath.Join(etc, "manager.conf"), []byte(renamed), 0o640); err != nil {
			t.Fatal(err)
		}
		for _, answer := range []string{"", "n\n", "maybe\n"} {
			out, err := setup(answer)
			left, _ := os.ReadDir(folder)
			if err != nil || !strings.Contains(out, "Nothing was written.") || len(left) > 0 || manager() != renamed {
				t.Errorf("answer %q: %v, %v\n%s", answer, err, left, out)
			}
		}
		out, err := setup("", "--yes")
		if err != nil || !strings.Contains(out, "logged in to") || !strings.Contains(out, "the user may carry out every step of the playbooks") || !strings.Contains(out, "Ready.") {
			t.Fatalf("setup: %v\n%s", err, out)
		}
		secret, err := os.ReadFile(filepath.Join(folder, "secret"))
		if err != nil || strings.Contains(out, strings.TrimSpace(string(secret))) {
			t.Errorf("the secret is shown, or lost: %v", err)
		}
		if info, err := os.Stat(filepath.Join(folder, "secret")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the secret's mode: %v, %v", info.Mode(), err)
		}
		text, err := os.ReadFile(filepath.Join(folder, "tollwarden.toml"))
		if err != nil || !strings.HasPrefix(string(text), "mode = \"observe\"") || !strings.Contains(string(text), "secret_file = \""+folder+"/secret\"") {
			t.Errorf("the configuration: %v\n%s", err, text)
		}
		if strings.Contains(string(text), "socket") {
			t.Errorf("the commands do not look for the daemon where the configuration has it:\n%s", text)
		}
		if out, err := setup("", "--yes"); err == nil || !strings.Contains(out, "already") {
			t.Errorf("a second time: %v\n%s", err, out)
		}
	})
}
