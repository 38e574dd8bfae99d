package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unitValue is a setting of a shipped unit.
func unitValue(t *testing.T, unit, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "packaging", unit))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+"="); found {
			return value
		}
	}
	t.Errorf("%s: no %s", unit, name)
	return ""
}

// The shipped units give the connection to the command, for the daemon's group alone, at
// the path that the documentation names.
func TestHookUnits(t *testing.T) {
	for name, want := range map[string]string{
		"ListenStream": "/run/tollwarden-hook.sock", "SocketMode": "0660", "SocketUser": "root", "SocketGroup": "tollwarden", "Accept": "yes",
	} {
		if got := unitValue(t, "tollwarden-hook.socket", name); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	const service = "tollwarden-hook@.service"
	if unitValue(t, service, "StandardInput") != "socket" || unitValue(t, service, "StandardOutput") != "socket" {
		t.Error("the command is not at the socket")
	}
	words := strings.Fields(unitValue(t, service, "ExecStart"))
	cmd, rest, err := newRoot().Find(words[1:])
	if err != nil || cmd.Name() != "hook" || strings.Join(rest, " ") != "/etc/tollwarden/rotate-hook" || words[0] != "/usr/sbin/tollwarden" {
		t.Errorf("ExecStart=%q: %v %q, %v", words, cmd.Name(), rest, err)
	}
}

// The command answers with one line, whatever happens.
func TestHook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncat >/dev/null\n[ \"$1\" = --good ]\n"), 0o700); err != nil { //nolint:gosec // it has to run
		t.Fatal(err)
	}
	for argument, want := range map[string]string{"--good": `{"ok":true}` + "\n", "--bad": `{"ok":false,"error":"hook ` + path + `: exit status 1"}` + "\n"} {
		root := newRoot()
		var out bytes.Buffer
		in, other, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if _, err := other.WriteString(`{"account":"1002","secret":"s3cret"}` + "\n"); err != nil {
			t.Fatal(err)
		}
		root.SetIn(in)
		root.SetOut(&out)
		root.SetArgs([]string{"hook", path, argument})
		if err := root.Execute(); (err == nil) != (argument == "--good") || out.String() != want {
			t.Errorf("%s: %q, %v", argument, &out, err)
		}
	}
}
