package setup

import (
	"os"
	"path/filepath"
	"testing"
)

// Where Asterisk's manager interface is, by what its configuration says.
func TestReadManager(t *testing.T) {
	for general, want := range map[string]string{
		"":                                  "127.0.0.1:5038",
		"bindaddr = 0.0.0.0\nport = 5039":   "127.0.0.1:5039",
		"bindaddr => 10.0.0.5 ; the office": "10.0.0.5:5038",
		"bindaddr = ::":                     "127.0.0.1:5038",
		"bindaddr = [::]":                   "127.0.0.1:5038",
		"bindaddr = [2001:db8::5]":          "[2001:db8::5]:5038",
		"bindaddr = ::1":                    "[::1]:5038",
		"bindaddr = a.name\nport = many":    "127.0.0.1:5038", // Asterisk takes neither
	} {
		path := filepath.Join(t.TempDir(), "manager.conf")
		if err := os.WriteFile(path, []byte("[general]\nenabled = yes\n"+general+"\n[user]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := readManager(path)
		if err != nil || m.address.String() != want || !m.enabled || m.exists {
			t.Errorf("%q: %+v, %v; want %s", general, m, err, want)
		}
	}
}

// Whether the manager interface is on, in all the ways Asterisk reads it.
func TestReadManagerEnabled(t *testing.T) {
	for text, want := range map[string]bool{
		"[general]\nenabled = yes\n":                  true,
		"[general]\nenabled = Yes\n":                  true,
		"[general]\nenabled = y\n":                    true,
		"[general]\nenabled = TRUE\n":                 true,
		"[general]\nenabled = t\n":                    true,
		"[general]\nenabled = 1\n":                    true,
		"[general]\nenabled = On\n":                   true,
		"[general]\nENABLED = yes\n":                  true,
		"[general]\nenabled=yes ; since the move\n":   true,
		"[general]\nenabled => yes\n":                 true,
		"[general]\nenabled = no\nenabled = yes\n":    true,
		"[base](!)\nenabled = yes\n[general](base)\n": true,
		"[general]\nenabled = ye\nenabled += s\n":     true,
		"[general]\n;-- was: no --;\nenabled = yes\n": true,
		"":                                     false,
		"[general]\n":                          false,
		"[general]\nenabled = no\n":            false,
		"[general]\nenabled = 0\n":             false,
		"[general]\nenabled = enabled\n":       false,
		"[general]\n;enabled = yes\n":          false,
		"[general]\n;--\nenabled = yes\n--;\n": false,
		"[general]\n;-- enabled = yes --;\n":   false,
		"[general]\nenabled = yes\n[general](+)\nenabled=n\n": false,
		"[user]\nenabled = yes\n":                             false,
	} {
		path := filepath.Join(t.TempDir(), "manager.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := readManager(path); err != nil || m.enabled != want {
			t.Errorf("%q: enabled %v, %v; want %v", text, m.enabled, err, want)
		}
	}
}

// A user for Tollwarden is found wherever it stands, but not in a comment, and
// a folder of users is used where manager.conf includes it.
func TestReadManagerUser(t *testing.T) {
	for name, c := range map[string]struct {
		text, file     string // manager.conf, and a file in manager.d
		exists, folder bool
	}{
		"none":               {"[general]\n[admin]\n", "", false, false},
		"in manager.conf":    {"[general]\n[tollwarden]\n", "", true, false},
		"commented out":      {"[general]\n;[tollwarden]\n", "", false, false},
		"in a block comment": {"[general]\n;--\n[tollwarden]\n--;\n", "", false, false},
		"in the folder":      {"[general]\n#include manager.d/*.conf\n", "[tollwarden]\n", true, true},
		"another in it":      {"[general]\n#include \"manager.d/*.conf\"\n", "[admin]\n", false, true},
		"the folder unused":  {"[general]\n;#include manager.d/*.conf\n", "[tollwarden]\n", false, false},
		"by tryinclude":      {"[general]\n#tryinclude manager.d/*.conf ; ours\n", "[tollwarden]\n", true, true},
		"with options":       {"[general]\n[base](!)\n[tollwarden](base)\n", "", true, false},
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "manager.d"), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"manager.conf": c.text, "manager.d/users.conf": c.file} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m, err := readManager(filepath.Join(dir, "manager.conf"))
		if err != nil || m.exists != c.exists || m.folder != c.folder {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}
