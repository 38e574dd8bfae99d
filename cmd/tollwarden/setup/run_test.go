package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/amitest"
)

// newSetup is a setup beside a PBX that has the user already, as if it had
// reloaded.
func newSetup(t *testing.T, general string) (s *Setup, out *strings.Builder) {
	t.Helper()
	pbx, err := amitest.Start(amitest.Options{
		AuthDelay: time.Millisecond, Users: []amitest.User{{Name: managerUser, Secret: "made-up", Read: "security,call", Write: "config,system,command"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pbx.Close() })
	_, port, _ := strings.Cut(pbx.Address(), ":")
	out = &strings.Builder{}
	s = &Setup{
		In: strings.NewReader(""), Out: out, Agreed: true, Asterisk: t.TempDir(), Folder: filepath.Join(t.TempDir(), "tollwarden"), Secret: "made-up",
		Reload: func() ([]byte, error) { return nil, nil },
	}
	text := "[general]\nenabled = yes\nport = " + port + "\n" + general
	if err := os.WriteFile(filepath.Join(s.Asterisk, "manager.conf"), []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return s, out
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The whole way: both files are written, and work.
func TestSetUp(t *testing.T) {
	s, out := newSetup(t, "")
	if err := s.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"logged in to", "the user may carry out every step of the playbooks", "Ready."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not print %q:\n%s", want, out)
		}
	}
	if strings.Contains(out.String(), s.Secret) {
		t.Error("it prints the secret")
	}
	if got := text(t, filepath.Join(s.Asterisk, "manager.conf")); !strings.Contains(got, "[tollwarden]\nsecret = made-up\n") || !strings.HasPrefix(got, "[general]") {
		t.Errorf("manager.conf: %s", got)
	}
	if got := text(t, s.config()); !strings.HasPrefix(got, "mode = \"observe\"") {
		t.Errorf("the configuration: %s", got)
	}
	if info, err := os.Stat(s.secretFile()); err != nil || info.Mode().Perm() != 0o600 || text(t, s.secretFile()) != "made-up\n" {
		t.Errorf("the secret's file: %v, %v", info.Mode(), err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second time: %v", err)
	}
}

// Only yes agrees, and what was not agreed to is not written.
func TestOnlyYesAgrees(t *testing.T) {
	for answer, agreed := range map[string]bool{"": false, "n\n": false, "maybe\n": false, "y\n": true, " YES \n": true, "y": true} {
		s, out := newSetup(t, "")
		s.Agreed, s.In = false, strings.NewReader(answer)
		if err := s.Run(t.Context()); err != nil {
			t.Errorf("answer %q: %v", answer, err)
		}
		if exists(s.config()) != agreed || strings.Contains(out.String(), "Nothing was written.") == agreed {
			t.Errorf("answer %q: written %t\n%s", answer, exists(s.config()), out)
		}
	}
}

// A folder of users gets a file of its own, which Asterisk can read.
func TestFolderOfUsers(t *testing.T) {
	s, out := newSetup(t, "#include manager.d/*.conf\n")
	if err := os.Mkdir(filepath.Join(s.Asterisk, "manager.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := text(t, filepath.Join(s.Asterisk, "manager.conf"))
	if err := s.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	path := filepath.Join(s.Asterisk, "manager.d", "tollwarden.conf")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 || !strings.Contains(text(t, path), "[tollwarden]") {
		t.Errorf("%v, %v", info, err)
	}
	if got := text(t, filepath.Join(s.Asterisk, "manager.conf")); got != before {
		t.Errorf("manager.conf changed: %s", got)
	}
}

// What is in the way is named, with what to do, before anything is written.
func TestWhatIsInTheWay(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*Setup) error
		want    string
	}{
		"no Asterisk": {func(s *Setup) error { return os.Remove(filepath.Join(s.Asterisk, "manager.conf")) }, "--asterisk names"},
		"a user already": {func(s *Setup) error {
			return appendTo(filepath.Join(s.Asterisk, "manager.conf"), "[tollwarden]\n")
		}, "already has a section [tollwarden]"},
		"the interface is off": {func(s *Setup) error {
			return appendTo(filepath.Join(s.Asterisk, "manager.conf"), "[general](+)\nenabled = no\n")
		}, "the manager interface is off"},
		"a configuration": {func(s *Setup) error {
			return errors.Join(os.Mkdir(s.Folder, 0o700), create(s.config(), "x"))
		}, "`tollwarden check` tests it"},
		"a secret": {func(s *Setup) error {
			return errors.Join(os.Mkdir(s.Folder, 0o700), create(s.secretFile(), "x"))
		}, "move it away first"},
		"no reload": {func(s *Setup) error {
			s.Reload = func() ([]byte, error) { return []byte("Unable to connect\n"), errors.New("exit status 1") }
			return nil
		}, "did not reload it: Unable to connect: run `asterisk -rx"},
	} {
		s, _ := newSetup(t, "")
		if err := tt.prepare(s); err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// chan_sip needs one more class.
func TestClassesForChanSIP(t *testing.T) {
	s, _ := newSetup(t, "")
	if got := strings.Join(s.writes(), ","); got != "config,system" {
		t.Errorf("classes %s", got)
	}
	if err := create(filepath.Join(s.Asterisk, "sip.conf"), ""); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.writes(), ","); got != "config,system,command" {
		t.Errorf("classes beside chan_sip %s", got)
	}
}
