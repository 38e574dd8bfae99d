package setup

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollwarden/tollwarden/test/freepbx"
)

// trees are sites as setup may find them.
var trees = map[string]struct {
	general string // of manager.conf
	files   map[string]string
}{
	"stock": {"#include \"manager.d/*.conf\"\n", map[string]string{
		"manager.d/README": "", "logger.conf": "[general]\n[logfiles]\nconsole => notice\nmessages => notice,warning,error ; all\n\n; the end", "indications.conf": "[general]\ncountry=us\n",
	}},
	"stock, off": {"enabled = no\nbindaddr = 0.0.0.0", map[string]string{"logger.conf": "[logfiles]\n;full => notice\n"}},
	"no logger":  {"", nil},
	"FreePBX": {"#include manager_additional.conf\n#include manager_custom.conf\n", map[string]string{
		"manager_custom.conf": "", "manager_additional.conf": freepbx.Header, "pjsip.auth.conf": freepbx.Header,
		"logger.conf": freepbx.Header + "[logfiles]\n#include logger_logfiles_additional.conf\n#include logger_logfiles_custom.conf\n", "logger_logfiles_custom.conf": "; mine",
		"logger_logfiles_additional.conf": freepbx.Header + "full => notice,warning,error\n",
	}},
	"Issabel, off": {"enabled = No\n#include manager_custom.conf\n", map[string]string{
		"manager_custom.conf": "; mine\n", "sip_additional.conf": freepbx.Header + "[1001]\ntype=friend\n", "sip.conf": "[general]\n#include sip_additional.conf\n",
	}},
}

// newTree is a setup beside one of the trees, on a machine with logrotate, fail2ban and
// systemd.
func newTree(t *testing.T, name string) (s *Setup, out *strings.Builder, m *machine) {
	t.Helper()
	s, out = newSetup(t, trees[name].general)
	for file, text := range trees[name].files {
		put(t, filepath.Join(s.Asterisk, file), text)
	}
	put(t, s.path("/etc/logrotate.d/x"), "x")
	put(t, s.path("/etc/fail2ban/jail.d/x"), "x")
	m = &machine{prints: map[string]string{"fail2ban-client status": "`- Jail list: asterisk-iptables, sshd\n", "fail2ban-client get": "none", "fail2ban-client reload": "OK"}}
	s.Run = m.run
	return s, out, m
}

// Undo brings every file of Asterisk's and of the system's back byte for byte, and moves
// Tollwarden's own away.
func TestUndo(t *testing.T) {
	for name := range trees {
		s, out, m := newTree(t, name)
		before := tree(t, s.Asterisk)
		maps.Copy(before, tree(t, s.Root))
		if err := s.Go(t.Context()); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if m, err := readManager(filepath.Join(s.Asterisk, "manager.conf")); err != nil || !m.exists || !m.enabled {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if len(tree(t, s.Root)) != 4 {
			t.Errorf("%s: %v", name, tree(t, s.Root))
		}
		out.Reset()
		m.ran = nil
		if err := s.Undo(t.Context(), false); err != nil || !strings.Contains(out.String(), "Changed passwords stay changed") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		after := tree(t, s.Asterisk)
		maps.Copy(after, tree(t, s.Root))
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s (-before +after): %s", name, d)
		}
		if !m.did("asterisk -rx manager reload") || !m.did("asterisk -rx logger reload") || !m.did("fail2ban-client reload") {
			t.Errorf("%s: ran %q", name, m.ran)
		}
		var left []string
		for path := range tree(t, s.Folder) {
			left = append(left, strings.Split(filepath.Base(path), ".removed")[0])
		}
		if len(left) != 2 || exists(s.config()) {
			t.Errorf("%s: left are %q", name, left)
		}
		if err := s.Undo(t.Context(), false); err != nil || !strings.Contains(out.String(), "nothing to undo") {
			t.Errorf("%s, a second time: %v\n%s", name, err, out)
		}
	}
}

// When its package is removed, Tollwarden's own configuration stays, and another setup goes
// on with it.
func TestUndoKeepsTheConfiguration(t *testing.T) {
	s, out, _ := newTree(t, "FreePBX")
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	with := tree(t, s.Asterisk)
	if err := s.Undo(t.Context(), true); err != nil || !exists(s.config()) || !exists(s.secretFile()) || strings.Contains(text(t, filepath.Join(s.Asterisk, customManager)), "tollwarden") {
		t.Fatalf("%v\n%s", err, out)
	}
	s.Secret = "another" // made anew for each run, and not used
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if d := cmp.Diff(with, tree(t, s.Asterisk)); d != "" {
		t.Error(d)
	}
	if err := s.Go(t.Context()); err != nil || cmp.Diff(with, tree(t, s.Asterisk)) != "" {
		t.Errorf("another run: %v\n%s", err, out)
	}
	if err := s.Undo(t.Context(), false); err != nil || exists(s.config()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// What a person changed since stays, and what setup added goes all the same.
func TestUndoOfChangedFiles(t *testing.T) {
	s, out, _ := newTree(t, "stock, off")
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manager, jails := filepath.Join(s.Asterisk, "manager.conf"), s.path(jailsFile)
	before := trees["stock, off"].general
	put(t, manager, "; mine\n"+strings.Replace(text(t, manager), "secret = made-up", "secret = rewritten", 1)+"[mine]\n")
	put(t, jails, text(t, jails)+"[mine]\n")
	logger := filepath.Join(s.Asterisk, "logger.conf")
	put(t, logger, text(t, logger)+"; mine\n")
	if err := s.Undo(t.Context(), false); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := text(t, manager); strings.Contains(got, "[tollwarden]") || strings.Contains(got, "enabled = yes\nbindaddr = 127") || !strings.Contains(got, before) || !strings.HasSuffix(got, "[mine]\n") {
		t.Errorf("manager.conf: %s", got)
	}
	if got := text(t, logger); got != trees["stock, off"].files["logger.conf"]+"; mine\n" {
		t.Errorf("logger.conf: %s", got)
	}
	if exists(jails) {
		t.Error("fail2ban still reads the file")
	}
}

// What cannot be taken out for certain is named, and the rest is done; once a person has
// done it, undo is done, too.
func TestUndoThatCannot(t *testing.T) {
	s, out, _ := newTree(t, "stock")
	if err := s.Go(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	logger := filepath.Join(s.Asterisk, "logger.conf")
	put(t, logger, text(t, logger)+"\n"+ourLog+" = "+ourLevels+"\n")
	err := s.Undo(t.Context(), false)
	if err == nil || !strings.Contains(err.Error(), "by hand") || exists(s.config()) {
		t.Fatalf("%v\n%s", err, out)
	}
	put(t, logger, "[logfiles]\n")
	if err := s.Undo(t.Context(), false); err != nil || exists(filepath.Join(s.Folder, recordName)) {
		t.Errorf("%v\n%s", err, out)
	}
}

// A setup from before there was a record is taken back, too.
func TestUndoWithoutARecord(t *testing.T) {
	s, out, _ := newTree(t, "FreePBX")
	manager := filepath.Join(s.Asterisk, "manager.conf")
	before := text(t, manager)
	put(t, manager, before+"\n[tollwarden]\nsecret = x\n")
	put(t, s.config(), "x")
	put(t, s.secretFile(), "x")
	if err := s.Undo(t.Context(), false); err != nil || text(t, manager) != before+"\n" || exists(s.config()) || exists(s.secretFile()) {
		t.Errorf("%v\n%s\n%s", err, out, text(t, manager))
	}
	if _, err := os.Stat(filepath.Join(s.Folder, recordName)); err == nil {
		t.Error("a record is left")
	}
}
