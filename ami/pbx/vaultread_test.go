package pbx

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// The newest secret in force is found in both kinds of vault, as they write it.
func TestNewestSecret(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, open := range map[string]func(path string) (Vault, error){
		"file": func(path string) (Vault, error) { return NewFileVault(path), nil },
		"age":  func(path string) (Vault, error) { return NewAgeVault(path, identity.Recipient().String()) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secrets")
			newest := func(account string) (string, error) {
				e, err := NewestSecret(path, account, []byte(identity.String()+"\n"))
				return e.Secret, err
			}
			if _, err := newest("1006"); !errors.Is(err, ErrNoSecret) {
				t.Errorf("without a vault: %v", err)
			}
			v, err := open(path)
			if err != nil {
				t.Fatal(err)
			}
			failed := Entry{At: at.Add(3 * time.Hour), Account: "1006", Secret: "failed"}
			for _, e := range []Entry{{at, "1006", "first"}, {at.Add(time.Hour), "1006", "second"}, {at.Add(2 * time.Hour), "11006", "another's"}, failed} {
				if err := v.Keep(e); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := newest("1006"); got != "failed" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if err := v.Void(failed); err != nil {
				t.Fatal(err)
			}
			for account, want := range map[string]string{"1006": "second", "11006": "another's"} {
				if got, err := newest(account); got != want || err != nil {
					t.Errorf("%s: %q, %v", account, got, err)
				}
			}
			for _, account := range []string{"006", "", "*", "../1006"} {
				if got, err := newest(account); got != "" || !errors.Is(err, ErrNoSecret) {
					t.Errorf("%q: %q, %v", account, got, err)
				}
			}
			if name == "age" {
				if _, err := NewestSecret(path, "1006", nil); !errors.Is(err, ErrSealed) || !strings.Contains(err.Error(), "-1006.age") {
					t.Errorf("without a key: %v", err)
				}
				other, _ := age.GenerateX25519Identity()
				if _, err := NewestSecret(path, "1006", []byte(other.String())); err == nil || strings.Contains(err.Error(), other.String()) {
					t.Errorf("with another key: %v", err)
				}
			}
		})
	}
}

// A line that a crash cut off, and lines of a person, are not taken for a secret.
func TestNewestSecretOfDamagedVault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	text := "# mine\n2026-11-30T12:00:00Z\t1006\twhole\nyesterday\t1006\tx\n2026-11-30T13:00:00Z\t1006\n2026-11-30T14:00:00Z\t1006\tcut"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := NewestSecret(path, "1006", nil); e.Secret != "whole" || err != nil {
		t.Errorf("%v, %v", e.Secret, err)
	}
	link := path + "-link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := NewestSecret(link, "1006", nil); err == nil || errors.Is(err, ErrNoSecret) {
		t.Errorf("through a link: %v", err)
	}
}

// Half a line, as a full disk may leave, is never taken for a password.
func TestHalfALineOfAVault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(path, []byte(entryLine+"2026-03-02T12:00:00Z\t1002\thal"+entryLine), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := NewFileVault(path).Last("1002"); err != nil || got != entry.Secret {
		t.Errorf("%q, %v", got, err)
	}
}
