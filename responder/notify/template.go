package notify

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/texts"
)

// Words are the templates of the subject and the text, and their language.
type Words struct {
	subject, text *template.Template
	whole         bool // the text is the report, so that its page says the same
	language      *texts.Language
}

// In has the words of reports in a language.
func (w *Words) In(l *texts.Language) *Words {
	w.language = l
	return w
}

// wholeReport is the template of the text that is the report, and nothing else.
const wholeReport = "{{.Report}}"

// ParseWords parses the templates of the subject and the text. They should have
// passed CheckTemplate.
func ParseWords(subject, text string) (*Words, error) {
	s, err := parse(subject)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	t, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	return &Words{subject: s, text: t, whole: strings.TrimSpace(text) == wholeReport}, nil
}

func parse(text string) (*template.Template, error) {
	return template.New("").Option("missingkey=error").Parse(text)
}

// CheckTemplate says what is wrong with a template by executing it with two
// incidents: one with every field set and one that is empty.
func CheckTemplate(text string) error {
	t, err := parse(text)
	if err != nil {
		return cleaned(err)
	}
	for _, i := range []incident.Incident{sample(), {}} {
		var b bytes.Buffer
		s, _ := sheetOf(report.Style{Site: "pbx.example.org", Zone: time.UTC}, &i)
		if err := t.Execute(&b, s); err != nil {
			return cleaned(err)
		}
		if strings.TrimSpace(b.String()) == "" {
			return errors.New("its output is empty")
		}
	}
	return nil
}

// cleaned rewrites an error of text/template in this program's form, without the
// name that the template does not have.
func cleaned(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), `"" `)
	return errors.New("line " + strings.TrimPrefix(text, ":"))
}

// sample is an incident with every field set.
func sample() incident.Incident {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	source := netip.MustParseAddr("192.0.2.66")
	return incident.Incident{
		ID: 41, At: at, Key: score.Key{Per: score.PerAccount, Account: "1002"}, Account: "1002", Name: "Front desk", Source: source,
		Threshold: "break-in", Playbook: "compromise", Reason: "1 point of 1 within 1h: SuccessAfterFailures", Mode: incident.Enforce,
		Steps: []incident.Step{{Step: incident.StepRotate, Target: "1002", State: incident.Done, Detail: "kept in secrets", Took: incident.Elapsed(12 * time.Millisecond)}},
		Evidence: []incident.Evidence{{Record: score.Record{
			At: at, Signal: score.SuccessAfterFailures, Source: source, Port: 5060, Transport: event.UDP, Proof: score.Proven, Account: "1002", Session: "1",
		}}},
		Calls: []incident.Call{{Channel: "PJSIP/1002-00000001", Account: "1002", Dialled: "00882612345678", Country: "CU", Began: at, Ended: at}},
	}
}

// Of makes the message of an incident. A template that passed CheckTemplate can
// still fail on a different incident; the message then says so and contains the
// full report.
func (w *Words) Of(host string, i incident.Incident, loc *time.Location) *Message {
	s, r := sheetOf(report.Style{Language: w.language, Site: host, Zone: loc}, &i)
	m := &Message{Kind: i.Threshold, At: i.At, JSON: i}
	brief := i
	brief.Evidence, brief.Calls = nil, nil
	m.Brief = brief
	text, err := execute(w.text, s)
	if err != nil {
		text = w.language.Say("template.failed", "why", err.Error()) + "\n\n" + s.Report
	}
	m.Text = lines(text)
	if w.whole || err != nil {
		var html strings.Builder
		_ = r.MailHTML(&html) // writing to a Builder cannot fail
		m.HTML = html.String()
	}
	if n := len(r.Annex.Data); n > 0 && n <= maxAttached {
		m.Files = []File{{r.Annex.Name, r.Annex.Data}}
	}
	subject, err := execute(w.subject, s)
	if err != nil {
		subject = s.Subject
	}
	m.Subject = oneLine(subject, maxSubject)
	m.Line = lineOf(&s)
	return m
}

// maxAttached is the largest annex that a mail has as a file, in bytes: mail servers refuse
// large mails, and nobody may hear of a flood for its evidence.
const maxAttached = 1 << 20

// lineOf formats an incident as one line for a log.
func lineOf(i *Sheet) string {
	steps := make([]string, len(i.Steps))
	for n, s := range i.Steps {
		steps[n] = s.Step + " " + s.State
	}
	name := ""
	if i.Name != "" {
		name = fmt.Sprintf(" name=%q", i.Name)
	}
	return fmt.Sprintf("incident=%d threshold=%q key=%q account=%q%s source=%q mode=%s steps=%q reason=%q",
		i.ID, i.Threshold, i.Key.Kind+" "+i.Key.Value, i.Account, name, i.Source, i.Mode, strings.Join(steps, ", "), i.Reason)
}

func execute(t *template.Template, s Sheet) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, s)
	return b.String(), err
}
