package pbx

import (
	"errors"
	"io"
	"io/fs"
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
		"folder":            func(p string) error { return os.Mkdir(p, 0o700) },
		"a file for folder": func(string) error { return os.WriteFile(filepath.Join(dir, "absent"), nil, 0o600) },
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if name == "a file for folder" {
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

// What the vault says before a break-in is what happens after it.
func TestVaultCheckForetells(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	plain := func(path string) Vault { return NewFileVault(path) }
	sealed := func(path string) Vault {
		v, err := NewAgeVault(path, id.Recipient().String())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, tc := range map[string]struct {
		vault   func(string) Vault
		prepare func(path string) error
		says    string
	}{
		"a file":                    {plain, func(p string) error { return os.WriteFile(p, nil, 0o600) }, ""},
		"no file yet":               {plain, func(string) error { return nil }, "no such file"},
		"no folder yet":             {func(p string) Vault { return plain(filepath.Join(p, "secrets")) }, func(string) error { return nil }, "no such file"},
		"the recipient is gone":     {plain, func(p string) error { return sealed(p).Keep(entry) }, "a folder, as for encrypted secrets"},
		"others can read it":        {plain, func(p string) error { return os.WriteFile(p, nil, 0o640) }, "chmod 600"},
		"a link":                    {plain, func(p string) error { return os.Symlink("/dev/null", p) }, "not a regular file"},
		"a folder":                  {sealed, func(p string) error { return os.Mkdir(p, 0o700) }, ""},
		"no sealed one yet":         {sealed, func(string) error { return nil }, "no such file"},
		"a recipient for the first": {sealed, func(p string) error { return plain(p).Keep(entry) }, "a file, as for secrets that are not encrypted"},
	} {
		path := filepath.Join(t.TempDir(), "secrets")
		if err := tc.prepare(path); err != nil {
			t.Fatal(err)
		}
		v := tc.vault(path)
		foretold := v.Check(os.Geteuid())
		if (foretold == nil) != (tc.says == "") || foretold != nil && !strings.Contains(foretold.Error(), tc.says) {
			t.Errorf("%s: %v, want %q", name, foretold, tc.says)
		}
		usable := foretold == nil || errors.Is(foretold, fs.ErrNotExist)
		if err := v.Keep(entry); (err == nil) != usable {
			t.Errorf("%s: foretold %v, but keeping says %v", name, foretold, err)
		}
	}
	theirs := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewFileVault(theirs).Check(os.Geteuid() + 1); err == nil || !strings.Contains(err.Error(), "chown") {
		t.Errorf("another user's: %v", err)
	}
}
