package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What answers otherwise than a daemon is no proof that one runs, nor that none
// does: down stops, and says what it met.
func TestDownSaysWhatItMet(t *testing.T) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "tollwarden.toml"), filepath.Join(dir, "socket")
	text := fmt.Sprintf("data = %q\nsocket = %q\n[asterisk]\nusername = \"u\"\nsecret = \"s\"\n", dir, socket)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"error":"disk on fire"}`))
		}))
	}()
	cmd := newDown()
	cmd.SetArgs([]string{"-c", file})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot tell whether") || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("down: %v", err)
	}
}
