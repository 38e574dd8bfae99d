package notify

import (
	"strings"
	"testing"
	"time"
)

// A message to a user says what is wrong and whom to ask, whatever the name holds.
func TestUserMessage(t *testing.T) {
	w, err := ParseUserWords("[x] {{.Title}}", "Hello {{.Name}},\nat {{.At}} on {{.Host}}: ask {{.Contact}} about {{.Account}}.\n", "the help desk")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 12, 5, 0, 0, time.UTC)
	m, err := w.Of("pbx", "1006", "Front\r\ndesk\x1b[2J", at, []string{"desk@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `Hello Front\r\ndesk\x1b[2J,` + "\nat 2026-11-30 12:05 UTC on pbx: ask the help desk about 1006.\n"; m.Text != want {
		t.Errorf("%q, want %q", m.Text, want)
	}
	if want := `[x] 1006 Front\r\ndesk\x1b[2J`; m.Subject != want || len(m.To) != 1 {
		t.Errorf("%q to %q", m.Subject, m.To)
	}
}

// A template that names what a user must not get is refused.
func TestCheckUserTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Title}} {{.Account}} {{.Name}} {{.At}} {{.Contact}} {{.Host}}": "",
		"{{.Secret}}": "Secret",
		"{{.Source}}": "Source",
		"{{.Report}}": "Report",
		"{{":          "line 1",
		" ":           "empty",
	} {
		if err := CheckUserTemplate(text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
