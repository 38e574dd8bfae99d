package notify_test

import (
	"encoding/json"
	"net/mail"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestTemplates(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)
	source := netip.MustParseAddr("192.0.2.66")
	i := incident.Incident{
		ID: 41, At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Source: source, Threshold: "break-in",
		Mode: incident.Enforce, Steps: []incident.Step{{Step: incident.StepRotate, Target: "1002", State: incident.Done, Detail: "kept in secrets"}},
		Evidence: []incident.Evidence{{
			Record: score.Record{At: at, Signal: score.SuccessAfterFailures, Source: source, Account: "1002", Proof: score.Proven},
			Raw:    "Event: SuccessfulAuth\r\nAccountID: 1002\r\n",
		}},
	}
	for text, want := range map[string]string{
		"{{.Title}} ({{.Host}}, incident {{.ID}})":                                   "Break-in on extension 1002 (pbx, incident 41)\n",
		`{{.At.Format "15:04"}} {{.Key.Kind}} {{.Key.Value}} {{.Source}} {{.Mode}}`:  "03:04 account 1002 192.0.2.66 enforce\n",
		"{{range .Steps}}{{.Step}} of {{.Target}}: {{.State}}, {{.Detail}}\n{{end}}": "rotate of 1002: done, kept in secrets\n",
		"{{range .Evidence}}{{.Signal}} {{.Proof}}{{end}}":                           "SuccessAfterFailures proven\n",
		"{{if .Calls}}calls{{else}}no calls{{end}}\n\n{{.Outcome}}":                  "no calls\n\nIt is over: stopped.\n",
		// Templates in use compare fields with words, and ask whether they are empty.
		`{{range .Evidence}}{{if and (eq .Proof "proven") (eq .Signal "SuccessAfterFailures") (ne .Transport "UDP")}}{{range .Raw}}{{.}};{{end}}{{end}}{{end}}`: "Event: SuccessfulAuth;AccountID: 1002;\n",
		`{{range .Steps}}{{if and (eq .State "done") (eq .Took "")}}done{{end}}{{end}}{{if eq .Mode "enforce"}} for real{{end}}`:                                "done for real\n",
		`{{if .Source}}from {{.Source}}{{end}}{{range .Calls}}{{if not .Ended}} up{{end}}{{end}}`:                                                               "from 192.0.2.66\n",
		"{{index .Next 0}}": "Give the phones of 1002 their new password; until then they cannot make or take calls. `tollwarden secret 1002`, run by root, shows it. Enter it in the phone, or have it written into the phone's provisioning file (--provision).\n",
	} {
		w, err := notify.ParseWords("{{.Title}}", text)
		if err != nil {
			t.Fatal(err)
		}
		m := w.Of("pbx", i, time.UTC)
		if m.Text != want {
			t.Errorf("%s makes %q, want %q", text, m.Text, want)
		}
		if m.Subject != "Break-in on extension 1002" || m.Kind != "break-in" {
			t.Errorf("subject %q, kind %q", m.Subject, m.Kind)
		}
	}
	w, err := notify.ParseWords("{{.Title}}", "{{.Report}}")
	if err != nil {
		t.Fatal(err)
	}
	m := w.Of("pbx", i, time.UTC)
	if !strings.Contains(m.Text, "ACT NOW: Break-in on extension 1002; stopped") || !strings.Contains(m.Text, "What to do now\n") || !strings.Contains(m.HTML, "<h2>What to do now</h2>") || len(m.Files) != 1 {
		t.Errorf("the report is %q", m.Text)
	}
	if want := `incident=41 threshold="break-in" key="account 1002" account="1002" source="192.0.2.66" mode=enforce steps="rotate done" reason=""`; m.Line != want {
		t.Errorf("line %s", m.Line)
	}
	body, _ := json.Marshal(m.JSON)
	want, _ := json.Marshal(i)
	if string(body) != string(want) {
		t.Errorf("JSON %s, want the incident's %s", body, want)
	}
}

// A wrong template is found before an incident needs it.
func TestWrongTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Acount}}":               "can't evaluate field Acount",
		"{{.Account":                "unclosed action",
		"line\n{{nonsense}}":        "line 2: function \"nonsense\" not defined",
		"{{(index .Steps 0).Step}}": "index out of range",
		"{{template \"x\"}}":        "not defined",
		"{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}": "exceeded maximum template depth",
		" ": "its output is empty",
	} {
		err := notify.CheckTemplate(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// When a template fails on an incident, the message contains the full report.
func TestTemplateThatFailsLater(t *testing.T) {
	text := "{{if gt (len .Steps) 1}}{{index .Steps 9}}{{end}}ok"
	if err := notify.CheckTemplate(text); err != nil {
		t.Fatal(err)
	}
	w, err := notify.ParseWords(text, text)
	if err != nil {
		t.Fatal(err)
	}
	m := w.Of("pbx", incident.Incident{ID: 7, Account: "1002", Key: score.Key{Per: score.PerAccount, Account: "1002"}, Steps: make([]incident.Step, 2)}, time.UTC)
	if !strings.HasPrefix(m.Text, "The template notify.text failed: ") || !strings.Contains(m.Text, "incident 7") || !strings.HasPrefix(m.Subject, "ACT NOW: Extension 1002:") {
		t.Errorf("%q, %q", m.Subject, m.Text)
	}
}

// Untrusted values cannot inject lines, headers, control characters or template
// actions.
func FuzzMessage(f *testing.F) {
	for _, nasty := range nasties {
		f.Add(nasty, nasty, nasty)
	}
	w, err := notify.ParseWords("{{.Title}}: {{.Account}} {{.Reason}}", "{{.Account}}\n{{.Reason}}\n{{range .Steps}}{{.Detail}}{{end}}\n{{range .Evidence}}{{.Session}}{{end}}\nend")
	if err != nil {
		f.Fatal(err)
	}
	whole, err := notify.ParseWords("{{.Title}}", "{{.Report}}")
	if err != nil {
		f.Fatal(err)
	}
	to := &notify.Mail{From: "a@example.org", To: []string{"b@example.org"}}
	f.Fuzz(func(t *testing.T, account, detail, session string) {
		i := incident.Incident{
			Key: score.Key{Per: score.PerAccount, Account: account}, Account: account, Reason: detail, Threshold: detail,
			Steps:    []incident.Step{{Step: incident.StepRotate, Target: account, State: incident.Done, Detail: detail}},
			Evidence: []incident.Evidence{{Record: score.Record{Account: account, Session: session}, Raw: incident.Raw(detail)}},
		}
		m := w.Of("pbx", i, time.UTC)
		if n := strings.Count(m.Text, "\n"); n != 5 {
			t.Errorf("%d lines: %q", n, m.Text)
		}
		for _, s := range append(strings.Split(m.Text+whole.Of("pbx", i, time.UTC).Text, "\n"), m.Subject, m.Line) {
			if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q does not print", s)
			}
		}
		var b strings.Builder
		if err := to.WriteLetter(&b, m); err != nil {
			t.Fatal(err)
		}
		letter, err := mail.ReadMessage(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		checkHeaders(t, letter.Header)
		if i.Account != account || i.Steps[0].Detail != detail || i.Evidence[0].Session != session {
			t.Error("the incident itself was changed")
		}
	})
}
