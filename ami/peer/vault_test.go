package peer

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

var entry = Entry{At: time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC), Account: "1002", Secret: "k7Qm2pXw9RtZ4vNb8cDf6hGj"}

const entryLine = "2026-03-01T12:00:00Z\t1002\tk7Qm2pXw9RtZ4vNb8cDf6hGj\n"

func TestFileVaultKeepsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	v := NewFileVault(path)
	for range 2 {
		if err := v.Keep(entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Void(entry); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if len(lines) != 4 || lines[0] != entryLine || lines[1] != entryLine || !strings.Contains(lines[2], "not in force") || strings.Contains(lines[2], entry.Secret) {
		t.Errorf("the file holds %q", text)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
}

func TestFileVaultRefusesWhatOthersCanRead(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	for name, prepare := range map[string]func(path string) error{
		"group readable": func(p string) error { return os.WriteFile(p, nil, 0o640) },
		"world readable": func(p string) error { return os.WriteFile(p, nil, 0o604) },
		"symbolic link": func(p string) error {
			if err := os.WriteFile(real, nil, 0o600); err != nil {
				return err
			}
			return os.Symlink(real, p)
		},
		"folder":    func(p string) error { return os.Mkdir(p, 0o700) },
		"no folder": func(string) error { return nil },
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if name == "no folder" {
			path = filepath.Join(dir, "absent", "secrets")
		}
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		err := NewFileVault(path).Keep(entry)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if strings.Contains(err.Error(), entry.Secret) {
			t.Errorf("%s: the error shows the secret", name)
		}
		if text, _ := os.ReadFile(path); len(text) > 0 {
			t.Errorf("%s: written all the same", name)
		}
	}
}

func TestAgeVaultIsReadByTheRecipientAlone(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "vault")
	v, err := NewAgeVault(dir, id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Keep(entry); err != nil {
		t.Fatal(err)
	}
	if err := v.Keep(entry); err == nil {
		t.Error("an entry was written over")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 || !strings.HasSuffix(files[0], "-1002.age") {
		t.Fatalf("files %q", files)
	}
	sealed, err := os.ReadFile(files[0])
	if err != nil || strings.Contains(string(sealed), entry.Secret) {
		t.Fatalf("the file shows the secret (%v)", err)
	}
	r, err := age.Decrypt(strings.NewReader(string(sealed)), id)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != entryLine {
		t.Errorf("decrypted %q, %v", text, err)
	}
	if err := v.Void(entry); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*-not-in-force.age")); len(files) != 1 {
		t.Error("not marked")
	}
}

func TestAgeVaultNeedsRecipients(t *testing.T) {
	for _, recipients := range [][]string{nil, {""}, {"age1nonsense"}, {"AGE-SECRET-KEY-1"}} {
		if _, err := NewAgeVault(t.TempDir(), recipients...); err == nil {
			t.Errorf("accepted %q", recipients)
		}
	}
}
