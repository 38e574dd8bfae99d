package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/config"
)

func allowFile(t *testing.T, text string) *config.AllowFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "allow")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := config.LoadAllowFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func allowItem(t *testing.T, text string) config.AllowItem {
	t.Helper()
	item, err := config.ParseAllow(text)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// What a person wrote between the lines stays as it is.
func TestAllowFileKeepsWhatAPersonWrote(t *testing.T) {
	f := allowFile(t, "# the offices\n\n198.51.100.7   # Bristol\n  2001:db8::/48\n# the carrier follows\n203.0.113.0/24\n")
	office, carrier := allowItem(t, "192.0.2.9"), allowItem(t, "203.0.113.0/24")
	f = f.With(office, noon, "ann", "new\noffice").Without(carrier)
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	want := "# the offices\n\n198.51.100.7   # Bristol\n  2001:db8::/48\n# the carrier follows\n192.0.2.9               # 2026-11-22, ann: new office\n"
	if string(got) != want {
		t.Errorf("the file is\n%swant\n%s", got, want)
	}
	again, err := config.LoadAllowFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	if list := again.Entries(); len(list) != 3 || list[0].Comment != "Bristol" || list[1].Prefix.String() != "2001:db8::/48" || list[2].Author != "ann" || list[2].Comment != "new office" || again.Find(office) == nil || again.Find(carrier) != nil {
		t.Errorf("entries %+v", list)
	}
	if info, err := os.Stat(f.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A new file explains itself.
func TestNewAllowFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "allow")
	f, err := config.LoadAllowFile(path)
	if err != nil || len(f.Entries()) != 0 {
		t.Fatalf("a file that is not there: %v, %v", f, err)
	}
	if err := f.With(allowItem(t, "192.0.2.9"), noon, "root", "by hand").Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(got), "never bans") || !strings.HasSuffix(string(got), "\n192.0.2.9               # 2026-11-22, root: by hand\n") {
		t.Errorf("the new file is %q, %v", got, err)
	}
	item := allowItem(t, "192.0.2.10")
	item.Until = noon.AddDate(0, 0, 14)
	if err := f.With(item, noon, "root", "a test").Write(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(got), "\n192.0.2.10 until 2026-12-06T12:00:00Z # 2026-11-22, root: a test\n") {
		t.Errorf("a long entry in %q, %v", got, err)
	}
}

func TestMistakesInTheAllowFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allow")
	if err := os.WriteFile(path, []byte("198.51.100.7\noffice # ours\n192.0.2.0/33\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.LoadAllowFile(path)
	for _, want := range []string{path + `:2: "office": want an address`, path + ":3: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// What cannot be written leaves nothing behind.
func TestAllowFileThatCannotBeWritten(t *testing.T) {
	f := allowFile(t, "")
	if err := errors.Join(os.Remove(f.Path()), os.MkdirAll(filepath.Join(f.Path(), "x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	err := f.With(allowItem(t, "192.0.2.9"), noon, "root", "by hand").Write()
	if err == nil || !strings.Contains(err.Error(), "write allow file") {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Path()), ".allow-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Root's command must not take the file away from the daemon's user.
func TestAllowFileKeepsItsOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives files to another user: needs root")
	}
	path := filepath.Join(t.TempDir(), "data", "allow")
	owner := func(of string) uint32 {
		t.Helper()
		info, err := os.Stat(of)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Chown(filepath.Dir(path), 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint32{12345, 23456} { // the folder's, then the file's
		file, err := config.LoadAllowFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.With(allowItem(t, "192.0.2.9"), noon, "root", "").Write(); err != nil {
			t.Fatal(err)
		}
		if got := owner(path); got != want {
			t.Errorf("the file is of user %d, want %d", got, want)
		}
		if err := os.Chown(path, 23456, 23456); err != nil {
			t.Fatal(err)
		}
	}
}
