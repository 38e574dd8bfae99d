package main

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
		if err != nil || m.address.String() != want || !m.enabled || !m.users["user"] {
			t.Errorf("%q: %+v, %v; want %s", general, m, err, want)
		}
	}
}
