package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Without a daemon, the page is filled in from the records, which it leaves as they are.
func TestFirstHourWithoutADaemon(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "t.toml")
	if err := os.WriteFile(conf, []byte("data = \""+dir+"\"\n[asterisk]\nusername = \"tollwarden\"\nsecret = \"s\"\nconfig_dir = \""+dir+"\"\n[notify]\nwebhook = \"https://example.org/x?token=secret\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pjsip.conf"), []byte("[main-line]\ntype = registration\nserver_uri = sip:sip.example.net\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ledger.db")
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	id := l.PutIncident(&incident.Incident{
		At: now.Add(-time.Hour), Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Threshold: "break-in", Playbook: "compromise", Mode: incident.Enforce,
		Steps: []incident.Step{{Step: incident.StepRotate, Target: "1002", State: incident.Done}},
	})
	l.PutCall(id, incident.Call{Channel: "PJSIP/1002-1", Account: "1002", Dialled: "0053", Country: "CU", Began: now.Add(-time.Hour), Answered: now.Add(-time.Hour), Cost: incident.Cost{Amount: 12_500_000, Currency: "EUR"}})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	code, got := tollwarden(t, "first-hour", "-c", conf, "--socket", filepath.Join(dir, "none"))
	for _, want := range []string{
		"AN ATTACK IS NOT STOPPED BY TOLLWARDEN NOW: no daemon answers", "extension 1002: break-in; password changed (incident 1)", "Calls on record: 1", "to Cuba (1)", "Cost so far, about: 12 EUR",
		"asterisk -rx \"pjsip send unregister main-line\"", "line: main-line (sip.example.net)", "Messages go to: a webhook", "`tollwarden rotate 1002 --expire`", "Start the daemon",
	} {
		if code != 0 || !strings.Contains(got, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, got)
		}
	}
	if strings.Contains(got, "token") || strings.Contains(got, "NOT FILLED IN") {
		t.Errorf("too much, or too little:\n%s", got)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the records have changed: %v", err)
	}
	if code, got := tollwarden(t, "first-hour", "-c", conf, "--socket", filepath.Join(dir, "none"), "--json"); code != 0 || !strings.Contains(got, `"extension": "1002"`) {
		t.Errorf("exit code %d, %s", code, got)
	}
	if code, _ := tollwarden(t, "first-hour", "--since", "yesterday"); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
}
