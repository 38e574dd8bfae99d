package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/test/lab"
)

// told checks the report of the incident of a threshold, as a third person would:
// every observation stands there with Asterisk's own lines, which name the
// source, no digest is among them, and sha256sum gives the sum that the report
// names.
func (w *warden) told(t *testing.T, threshold, source string) {
	t.Helper()
	var id string
	for _, i := range w.incidents() {
		if crosses(i, threshold) {
			id = strconv.FormatInt(i.ID, 10)
		}
	}
	say := func(form string) string {
		t.Helper()
		out, err := w.tollwarden(append([]string{"incident", id, "--socket", w.socket()}, strings.Fields(form)...)...)
		if err != nil {
			t.Fatalf("incident %s %s: %v: %s", id, form, err, out)
		}
		return out
	}
	annex := say("--annex")
	observations := 0
	for line := range strings.Lines(annex) {
		var o incident.Evidence
		if err := json.Unmarshal([]byte(line), &o); err != nil || o.Signal == score.NoSignal {
			continue // a call
		}
		observations++
		text := strings.Join(o.Raw.Lines(), "\n")
		fromEvent := strings.HasPrefix(text, "Event: ") && strings.Contains(text, "/"+source+"/") && strings.Contains(text, "SessionID: ")
		fromWire := strings.HasPrefix(text, "SIP/2.0 4") && strings.Contains(text, "Call-ID: ")
		fromCall := strings.HasPrefix(text, "Event: New") && strings.Contains(text, "Channel: ")
		if !fromEvent && !fromWire && !fromCall {
			t.Errorf("%s rests on %q", o.Signal, text)
		}
		for _, digest := range []string{"Response: ", "ExpectedResponse: ", "ReceivedHash: "} {
			if _, value, found := strings.Cut(text, "\n"+digest); found && !strings.HasPrefix(value, "(left out)") {
				t.Errorf("%s tells a digest: %q", o.Signal, text)
			}
		}
	}
	if observations < 5 {
		t.Errorf("the annex tells %d observations: %s", observations, annex)
	}
	check := exec.Command("sha256sum")
	check.Stdin = strings.NewReader(annex)
	sum, err := check.Output()
	if err != nil {
		t.Fatal(err)
	}
	sum, _, _ = bytes.Cut(sum, []byte{' '})
	for _, form := range []string{"", "--html"} {
		if report := say(form); !strings.Contains(report, string(sum)) || !strings.Contains(report, "Only your carrier knows the actual cost") {
			t.Errorf("the report %s lacks the sum %s, or what was lost: %s", form, sum, report)
		} else if path := os.Getenv("TOLLWARDEN_REPORT"); path != "" && form == "--html" { // for make report-picture
			if err := os.WriteFile(path, []byte(report), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, secret := range lab.Passwords {
		if strings.Contains(annex, secret) {
			t.Error("the annex holds a password")
		}
	}
}
