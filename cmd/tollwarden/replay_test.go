package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/replayview"
)

// What a person allowed while the daemon ran is no more banned in a replay than
// by the daemon.
func TestReplayKnowsTheAllowFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var log strings.Builder
	for i := range 20 {
		for _, source := range []string{"198.51.100.7", "203.0.113.7"} {
			fmt.Fprintf(&log, "[2026-11-22 12:00:%02d] NOTICE[55] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:1002@pbx>' failed for '%s:5060' (callid: %d) - Failed to authenticate\n", i, source, i)
		}
	}
	messages := write("messages", log.String())
	conf := write("tollwarden.toml", fmt.Sprintf("data = %q\n[asterisk]\nusername = \"warden\"\nsecret = \"x\"\n", dir))
	banned := func() string {
		var out strings.Builder
		root := newRoot()
		root.SetArgs([]string{"replay", "--json", "-c", conf, messages})
		root.SetOut(&out)
		if err := root.ExecuteContext(t.Context()); err != nil {
			return err.Error()
		}
		var result replayview.Document
		if err := json.Unmarshal([]byte(out.String()), &result); err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, b := range result.Bans {
			list = append(list, b.Prefix.String())
		}
		return strings.Join(list, " ")
	}
	for _, step := range []struct{ allowed, want string }{
		{"# nothing\n", "198.51.100.7/32 203.0.113.7/32"},
		{"198.51.100.0/24 # the office\n", "203.0.113.7/32"},
	} {
		write("allow", step.allowed)
		if got := banned(); got != step.want {
			t.Errorf("allow file %q: would ban %s, want %s", step.allowed, got, step.want)
		}
	}
	write("allow", "no address\n")
	if got := banned(); !strings.Contains(got, "allow:1") {
		t.Errorf("a mistyped allow file: %s", got)
	}
}
