package backup

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

var noon = time.Now().UTC().Truncate(time.Second)

// site is an installation below one folder.
type site struct {
	t   *testing.T
	dir string
}

func newSite(t *testing.T) site { return site{t, t.TempDir()} }

func (s site) path(name string) string { return filepath.Join(s.dir, name) }
func (s site) config() string          { return s.path("etc/tollwarden.toml") }

func (s site) write(name, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s site) read(name string) string {
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// files lists what there is.
func (s site) files() (list []string) {
	s.t.Helper()
	if err := filepath.WalkDir(s.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, strings.TrimPrefix(path, s.dir+"/"))
		}
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// furnish makes an installation with a ledger that is open, as by a daemon.
func (s site) furnish(extra string) *ledger.Ledger {
	s.t.Helper()
	s.write("etc/tollwarden.toml", fmt.Sprintf("mode = \"enforce\"\ndata = %q\nsocket = %q\n[asterisk]\nusername = \"tollwarden\"\nsecret_file = %q\nconfig_dir = %q\n%s",
		s.path("data"), s.path("socket"), s.path("etc/ami-secret"), s.dir, extra))
	s.write("etc/ami-secret", "of the manager")
	s.write("data/allow", "198.51.100.0/24 # office\n")
	s.write("data/rates.csv", "prefix,rate\n44,0.01\n")
	s.write("data/fingerprints.key", "key")
	s.write("data/secrets", "1006's")
	s.write("data/last-seen.json", "{}")
	l, err := ledger.Open(s.path("data/ledger.db"), ledger.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { l.Close() })
	l.PutBan(ban("203.0.113.5/32", noon.Add(time.Hour)))
	l.PutBan(ban("203.0.113.6/32", noon.Add(-time.Minute)))
	if err := l.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return l
}

func ban(prefix string, until time.Time) incident.Ban {
	return incident.Ban{Prefix: netip.MustParsePrefix(prefix), Since: noon.Add(-time.Hour), Until: until, Reason: "3 wrong passwords", Origin: "password guessing", Scope: incident.ScopeAll}
}

// take makes a backup beside the installation.
func (s site) take(secrets bool) string {
	s.t.Helper()
	to := filepath.Join(s.t.TempDir(), "a.backup")
	if _, err := Take(s.t.Context(), to, Options{Config: s.config(), Secrets: secrets, Version: "1.2.3", Host: "pbx-a", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Now: noon}); err != nil {
		s.t.Fatal(err)
	}
	return to
}

// restore brings a backup to a place; its configuration names absolute paths, which a
// test moves by restoring where it came from.
func (s site) restore(from string, force bool) (Restored, error) {
	s.t.Helper()
	b, err := Open(s.t.Context(), from, noon)
	if err != nil {
		return Restored{}, err
	}
	defer b.Close()
	return b.Restore(s.t.Context(), Target{Config: s.config(), Force: force, Now: noon, Owner: func(string) error { return nil }})
}

func (s site) wipe() {
	s.t.Helper()
	for _, name := range []string{"etc", "data"} {
		if err := os.RemoveAll(s.path(name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A backup is taken while the ledger is written, is for its owner's eyes only, and
// brings back what there was, without secrets unless they were asked for.
func TestTakeAndRestore(t *testing.T) {
	for name, c := range map[string]struct {
		secrets bool
		want    []string
	}{
		"without secrets": {false, []string{"data/allow", "data/fingerprints.key", "data/ledger.db", "data/rates.csv", "etc/tollwarden.toml"}},
		"with secrets":    {true, []string{"data/allow", "data/fingerprints.key", "data/ledger.db", "data/rates.csv", "data/secrets", "etc/ami-secret", "etc/tollwarden.toml"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			l := s.furnish("")
			before := s.read("etc/tollwarden.toml")
			from := s.take(c.secrets)
			if info, err := os.Stat(from); err != nil || info.Mode() != 0o600 {
				t.Errorf("backup: %v, %v", info.Mode(), err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(from), ".*")); len(left) > 0 {
				t.Errorf("left beside the backup: %v", left)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s.wipe()
			r, err := s.restore(from, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.files(); !slices.Equal(got, c.want) || len(r.Files) != len(c.want) || len(r.Kept) != 0 {
				t.Errorf("restored %q, said %q; want %q", got, r.Files, c.want)
			}
			for _, path := range s.files() {
				if info, err := os.Stat(s.path(path)); err != nil || info.Mode() != 0o600 {
					t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
				}
			}
			if s.read("etc/tollwarden.toml") != before || s.read("data/allow") != "198.51.100.0/24 # office\n" {
				t.Error("the configuration or the allow list is another one")
			}
			back, err := ledger.Open(s.path("data/ledger.db"), ledger.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			if bans, err := back.Bans(t.Context(), noon); err != nil || len(bans) != 1 || bans[0].Prefix.String() != "203.0.113.5/32" {
				t.Errorf("bans in force after the restore: %v, %v", bans, err)
			}
		})
	}
}

// A restore touches nothing of an installation unless forced, and then keeps it.
func TestRestoreOverAnInstallation(t *testing.T) {
	s := newSite(t)
	l := s.furnish("")
	from := s.take(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.write("etc/tollwarden.toml", s.read("etc/tollwarden.toml")+"# new host\n")
	s.write("etc/ami-secret", "of the new host")
	before := s.files()
	if _, err := s.restore(from, false); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "--force") {
		t.Errorf("over an installation: %v", err)
	}
	if got := s.files(); !slices.Equal(got, before) {
		t.Errorf("a refused restore left %q", got)
	}
	r, err := s.restore(from, true)
	if err != nil {
		t.Fatal(err)
	}
	aside := ".before-restore-" + noon.Format("20060102T150405Z")
	if !strings.HasSuffix(s.read("etc/tollwarden.toml"+aside), "# new host\n") || strings.Contains(s.read("etc/tollwarden.toml"), "new host") {
		t.Error("the old configuration is not kept, or the new one not in place")
	}
	if s.read("etc/ami-secret") != "of the new host" || s.read("data/secrets") != "1006's" {
		t.Error("secrets that the backup lacks are gone")
	}
	if len(r.Kept) == 0 || !slices.Contains(r.Kept, s.path("data/ledger.db"+aside)) {
		t.Errorf("kept: %q", r.Kept)
	}
}

// daemonFake answers on the control socket as a running daemon does.
type daemonFake struct{ control.Daemon }

func (daemonFake) Status() control.Status { return control.Status{Health: control.Healthy} }

// While a daemon runs nothing is restored, not even by force.
func TestRestoreBesideADaemon(t *testing.T) {
	s := newSite(t)
	l := s.furnish("")
	from := s.take(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server, err := control.Listen(s.path("socket"), daemonFake{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() { _ = server.Serve(t.Context()) }()
	before := s.files()
	if _, err := s.restore(from, true); err == nil || !strings.Contains(err.Error(), "daemon is running") {
		t.Errorf("beside a daemon: %v", err)
	}
	if got := s.files(); !slices.Equal(got, before) {
		t.Errorf("it left %q, want %q", got, before)
	}
}

// A backup that was cut short, changed or made by a newer program is refused before
// anything is written.
func TestRestoreOfADamagedBackup(t *testing.T) {
	s := newSite(t)
	l := s.furnish("")
	good, err := os.ReadFile(s.take(true))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.wipe()
	before := s.files()
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"cut short":     {func(b []byte) []byte { return b[:len(b)/2] }, "damaged or incomplete"},
		"empty":         {func([]byte) []byte { return nil }, "not a backup"},
		"another file":  {func([]byte) []byte { return []byte("[general]\n") }, "not a backup"},
		"a changed row": {unpacked(t, "3 wrong passwords", "9 wrong passwords"), "SHA-256"},
		"newer":         {unpacked(t, `"format": 1`, `"format": 7`), "newer than this program"},
		"a way out":     {unpacked(t, `"role": "rates"`, `"role": "../x"`), "damaged"},
		"no ledger":     {unpacked(t, `"role": "ledger"`, `"role": "LEDGER"`), "damaged"},
	} {
		from := filepath.Join(t.TempDir(), "bad.backup")
		if err := os.WriteFile(from, c.change(bytes.Clone(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.restore(from, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
		if got := s.files(); !slices.Equal(got, before) {
			t.Errorf("%s: it left %q", name, got)
		}
	}
}

// unpacked replaces text in the archive itself.
func unpacked(t *testing.T, from, to string) func([]byte) []byte {
	return func(packed []byte) []byte {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(from)) {
			t.Fatalf("the archive has no %q", from)
		}
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(bytes.ReplaceAll(text, []byte(from), []byte(to))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
}

// A step that fails takes all others back.
func TestRestoreIsWholeOrNothing(t *testing.T) {
	s := newSite(t)
	l := s.furnish("")
	from := s.take(true)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before := s.files()
	b, err := Open(t.Context(), from, noon)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for fail := range b.Manifest.Files {
		n := 0
		_, err = b.Restore(t.Context(), Target{Config: s.config(), Force: true, Now: noon, Owner: func(string) error {
			if n++; n > fail {
				return errors.New("disk full")
			}
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Fatalf("step %d: %v", fail, err)
		}
		if got := s.files(); !slices.Equal(got, before) {
			t.Fatalf("failed at step %d, it left %q, want %q", fail, got, before)
		}
	}
}

// A backup that cannot be complete is none.
func TestTakeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(s site) (to string)
		want    string
	}{
		"no configuration": {func(s site) string { return s.path("a.backup") }, "no such file"},
		"no ledger": {func(s site) string {
			s.write("etc/tollwarden.toml", "data = \""+s.path("data")+"\"\n")
			return s.path("a.backup")
		}, "ledger.db"},
		"a damaged ledger": {func(s site) string {
			s.write("etc/tollwarden.toml", "data = \""+s.path("data")+"\"\n")
			s.write("data/ledger.db", strings.Repeat("no database ", 1000))
			return s.path("a.backup")
		}, "not a database"},
		"a file that exists": {func(s site) string {
			s.furnish("")
			s.write("a.backup", "an older one")
			return s.path("a.backup")
		}, "exists"},
		"no such folder": {func(s site) string {
			s.furnish("")
			return s.path("nowhere/a.backup")
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			to := c.prepare(s)
			before := s.files()
			if _, err := Take(t.Context(), to, Options{Config: s.config(), Now: noon}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if got := s.files(); !slices.Equal(withoutSides(got), withoutSides(before)) {
				t.Errorf("it left %q, want %q", got, before)
			}
		})
	}
}

// A user of the manager interface may be in a file that manager.conf includes; a comment is
// none.
func TestManagerKnows(t *testing.T) {
	s := newSite(t)
	if managerKnows(s.dir, "tollwarden") {
		t.Error("without manager.conf")
	}
	s.write("manager.conf", "[general]\n;--\n[tollwarden]\n--;\n#include users.conf\n")
	s.write("users.conf", "[other]\n")
	if managerKnows(s.dir, "tollwarden") {
		t.Error("in a comment")
	}
	s.write("users.conf", "[tollwarden](base)\nsecret = x\n")
	if !managerKnows(s.dir, "tollwarden") {
		t.Error("in an included file")
	}
}

// withoutSides leaves out what SQLite keeps beside an open ledger.
func withoutSides(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(f string) bool { return strings.HasSuffix(f, "-wal") || strings.HasSuffix(f, "-shm") })
}

// What the configuration names and this host lacks is said.
func TestDifferences(t *testing.T) {
	a := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	for name, c := range map[string]struct {
		extra   string
		secrets bool
		here    Here
		want    []string
		not     string
	}{
		"the same host":      {"", true, Here{"pbx-a", a}, []string{"no user [tollwarden]"}, "from pbx-a"},
		"another host":       {"", true, Here{"pbx-b", []netip.Addr{netip.MustParseAddr("192.0.2.2")}}, []string{"from pbx-a (192.0.2.1), this is pbx-b (192.0.2.2)"}, "secret_file"},
		"its own address":    {"[firewall]\nallow = [\"192.0.2.1\", \"127.0.0.1\"]\n", true, Here{"pbx-b", nil}, []string{"names 192.0.2.1, an address of the old host"}, "127.0.0.1,"},
		"without secrets":    {"", false, Here{"pbx-b", nil}, []string{"asterisk.secret_file", "--secrets", "passwords that Tollwarden has set"}, ""},
		"files":              {"log = \"/nowhere/messages\"\n[rotate]\nexec = [\"unix:/nowhere/hook\", \"x\"]\n", true, Here{"pbx-a", a}, []string{"asterisk.log is /nowhere/messages", "rotate.exec is /nowhere/hook"}, "exec.command"},
		"Asterisk elsewhere": {"address = \"192.0.2.1:5038\"\n", true, Here{"pbx-b", nil}, []string{"asterisk.address is 192.0.2.1:5038, on the old host"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			l := s.furnish(c.extra)
			from := s.take(c.secrets)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s.wipe()
			b, err := Open(t.Context(), from, noon)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			list, err := b.Differences(s.config(), c.here)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(list, "\n")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("it lacks %q:\n%s", want, text)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("it says %q:\n%s", c.not, text)
			}
		})
	}
}
