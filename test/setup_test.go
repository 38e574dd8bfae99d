package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/test/lab"
)

// setupTool runs `tollwarden setup` beside a lab's Asterisk.
type setupTool struct {
	t              *testing.T
	lab            *lab.Lab
	etc, folder    string
	tools, scratch string
}

func newSetupTool(t *testing.T, l *lab.Lab) *setupTool {
	t.Helper()
	s := &setupTool{t: t, lab: l, etc: l.Path("/etc/asterisk"), folder: t.TempDir(), tools: t.TempDir(), scratch: t.TempDir()}
	script := fmt.Sprintf("#!/bin/sh\nexec chroot %s asterisk \"$@\"\n", strings.TrimSuffix(l.Path("/"), "/"))
	if err := os.WriteFile(filepath.Join(s.tools, "asterisk"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// run answers what setup asks with these lines.
func (s *setupTool) run(answers string, more ...string) (string, error) {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.lab.PBX.Command(context.Background(), path, append([]string{"setup", "--asterisk", s.etc, "--folder", filepath.Base(s.folder), "--system-root", s.scratch}, more...)...)
	cmd.Dir = filepath.Dir(s.folder)
	cmd.Env = append(os.Environ(), "PATH="+s.tools+":"+os.Getenv("PATH"))
	cmd.Stdin = strings.NewReader(answers)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// files are Asterisk's configuration files.
func (s *setupTool) files() map[string]string {
	s.t.Helper()
	list, err := filepath.Glob(filepath.Join(s.etc, "*.conf"))
	if err != nil {
		s.t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range list {
		text, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

// From nothing to a guesser who is stopped: setup writes nothing unless it is told to, then
// what works; the daemon proves that it sees a guess; and undo leaves no trace in Asterisk's
// files.
func TestSetup(t *testing.T) {
	t.Parallel()
	onBothAtOnce(t, func(t *testing.T, l *lab.Lab) {
		s := newSetupTool(t, l)
		if out, err := s.run(""); err == nil || !strings.Contains(out, "already has a section [tollwarden]") {
			t.Errorf("beside the lab's own user: %v\n%s", err, out)
		}
		// Bound to one address, Asterisk sees us come from there.
		manager := filepath.Join(s.etc, "manager.conf")
		renamed := strings.NewReplacer("[tollwarden]", "[another]", "bindaddr = 127.0.0.1", "bindaddr = "+lab.PBXAddress).Replace(s.files()["manager.conf"])
		if err := os.WriteFile(manager, []byte(renamed), 0o640); err != nil {
			t.Fatal(err)
		}
		before := s.files()
		register(t, addPhone(t, addHost(t, l, "office", "192.0.2.10"), "1001"))
		for _, answers := range []string{"", strings.Repeat("\n", 30) + "n\n"} {
			out, err := s.run(answers)
			left, _ := os.ReadDir(s.folder)
			if err != nil || !strings.Contains(out, "Nothing was written.") || len(left) > 0 || cmp.Diff(before, s.files()) != "" || answers != "" && !strings.Contains(out, "extension 1001 from 192.0.2.10") {
				t.Errorf("answers %q: %v, %v\n%s", answers, err, left, out)
			}
		}
		answers, err := s.run("", "--print-answers", "--country", "GB", "--start", "no", "--log", "add")
		if err != nil || !strings.Contains(answers, "country = \"GB\"\n") {
			t.Fatalf("%v\n%s", err, answers)
		}
		file := filepath.Join(s.scratch, "answers.toml")
		if err := os.WriteFile(file, []byte(answers), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := s.run("", "--answers", file)
		if err != nil || !strings.Contains(out, "The login to Asterisk works, and everything that is needed is permitted.") || !strings.Contains(out, "Start it with: tollwarden run -c") {
			t.Fatalf("setup: %v\n%s", err, out)
		}
		secret, err := os.ReadFile(filepath.Join(s.folder, "secret"))
		if err != nil || strings.Contains(out, strings.TrimSpace(string(secret))) {
			t.Errorf("the secret is shown, or lost: %v", err)
		}
		if info, err := os.Stat(filepath.Join(s.folder, "secret")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the secret's mode: %v, %v", info.Mode(), err)
		}
		w := s.start()
		if out, err := s.run("", "--prove"); err != nil || !strings.Contains(out, "YOU ARE PROTECTED") || !strings.Contains(out, "as tollwarden-canary-") {
			t.Errorf("the proof: %v\n%s", err, out)
		}
		if list, err := w.client().Scores(t.Context(), "source", 10); err != nil || len(list) > 0 {
			t.Errorf("the proof leaves a score: %+v, %v", list, err)
		}
		g := lab.Guesser{Host: addHost(t, l, "attacker", guesserAddress), Account: "1002", Rate: 100, Most: 50, Ask: l.Version == lab.Asterisk16}
		if _, err := g.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stoppedAt(guesserPrefix, 3)
		if out, err := s.run("", "--yes", "--hours", "Mon-Fri 08:00-18:00"); err != nil || !strings.Contains(out, "The running daemon has taken it over.") {
			t.Errorf("a second run: %v\n%s", err, out)
		}
		w.stop(syscall.SIGTERM)
		out, err = s.run("", "--undo")
		if d := cmp.Diff(before, s.files()); err != nil || d != "" {
			t.Errorf("undo: %v\n%s\n%s", err, out, d)
		}
		if _, err := os.Stat(w.config()); err == nil {
			t.Error("the configuration is still there")
		}
	})
}

// start runs the daemon with the configuration that setup wrote, but data and a socket of its
// own.
func (s *setupTool) start() *warden {
	s.t.Helper()
	w := &warden{t: s.t, lab: s.lab, dir: s.folder}
	text, err := os.ReadFile(w.config())
	if err != nil {
		s.t.Fatal(err)
	}
	own := fmt.Sprintf("data = %q\nsocket = %q\n", filepath.Join(w.dir, "data"), w.socket())
	if err := os.WriteFile(w.config(), append([]byte(own), text...), 0o600); err != nil {
		s.t.Fatal(err)
	}
	w.launch()
	s.t.Cleanup(func() {
		w.stop(syscall.SIGTERM)
		if s.t.Failed() {
			s.t.Logf("the daemon's log:\n%s", w.log)
			s.t.Logf("Asterisk:\n%s", s.lab.Messages())
		}
	})
	return w
}
