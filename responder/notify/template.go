package notify

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"text/template"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/report"
)

// Sheet is what a template is given: the fields of an incident as `tollwarden
// incident ID --json` prints them, and what is made of them. Everything is safe
// to print.
type Sheet struct {
	control.Incident
	Host    string   // this machine
	Title   string   // what it is, in a few words
	Outcome string   // how it ended, in a sentence
	Next    []string // what a person should do now
	Report  string   // all that `tollwarden incident ID` prints
}

func sheetOf(host string, i control.Incident, loc *time.Location) Sheet {
	plainAll(reflect.ValueOf(&i).Elem())
	told := report.Of(i, loc)
	var text strings.Builder
	_ = told.Text(&text) // a Builder takes everything
	return Sheet{Incident: i, Host: host, Title: told.Title, Outcome: told.Outcome, Next: told.Next, Report: text.String()}
}

// plainAll makes every string of a value plain. Slices are copied, since others
// have them, too.
func plainAll(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(report.Plain(v.String()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			plainAll(v.Field(i))
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		copied := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(copied, v)
		v.Set(copied)
		for i := range v.Len() {
			plainAll(v.Index(i))
		}
	}
}

// Words are the templates of what people read.
type Words struct{ subject, text *template.Template }

// ParseWords reads the templates of a subject and of a text, which CheckTemplate
// has found to be right.
func ParseWords(subject, text string) (*Words, error) {
	s, err := parse(subject)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	t, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	return &Words{s, t}, nil
}

func parse(text string) (*template.Template, error) {
	return template.New("").Option("missingkey=error").Parse(text)
}

// CheckTemplate says what is wrong with a template, by trying it on two
// incidents: one that has everything and one that has nothing.
func CheckTemplate(text string) error {
	t, err := parse(text)
	if err != nil {
		return cleaned(err)
	}
	for _, i := range []control.Incident{sample(), {Steps: []control.Step{}}} {
		var b bytes.Buffer
		if err := t.Execute(&b, sheetOf("pbx.example.org", i, time.UTC)); err != nil {
			return cleaned(err)
		}
		if strings.TrimSpace(b.String()) == "" {
			return errors.New("it makes an empty text")
		}
	}
	return nil
}

// cleaned says an error of a template in this program's form: the template has
// no name of its own.
func cleaned(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "template: "), `"" `)
	return errors.New("line " + strings.TrimPrefix(text, ":"))
}

// sample is an incident in which no field is empty.
func sample() control.Incident {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return control.Incident{
		ID: 41, At: at, Key: control.Key{Kind: "account", Value: "1002"}, Account: "1002", Source: "192.0.2.66",
		Threshold: "break-in", Playbook: "compromise", Reason: "1 point of 1 within 1h: SuccessAfterFailures", Mode: "enforce",
		Steps:    []control.Step{{Step: "rotate", Target: "1002", State: "done", Detail: "kept in secrets", Took: "12ms"}},
		Evidence: []control.Observation{{At: at, Signal: "SuccessAfterFailures", Source: "192.0.2.66", Port: 5060, Transport: "UDP", Proof: "proven", Account: "1002", Session: "1"}},
		Calls:    []control.Call{{Channel: "PJSIP/1002-00000001", Account: "1002", Dialled: "00882612345678", Country: "CU", Began: at, Ended: &at}},
	}
}

// Of makes the message of an incident. A template that fails, which it can on an
// incident unlike CheckTemplate's, is told with the message and loses nothing.
func (w *Words) Of(host string, i control.Incident, loc *time.Location) *Message {
	s := sheetOf(host, i, loc)
	m := &Message{Kind: i.Threshold, At: i.At, JSON: i}
	brief := i
	brief.Evidence, brief.Calls = nil, nil
	m.Brief = brief
	text, err := execute(w.text, s)
	if err != nil {
		text = "notify.text cannot be made: " + err.Error() + "\n\n" + s.Report
	}
	m.Text = lines(text)
	subject, err := execute(w.subject, s)
	if err != nil {
		subject = s.Title
	}
	m.Subject = OneLine(subject, maxSubject)
	m.Line = lineOf(&s.Incident)
	return m
}

// lineOf is an incident for programs that read logs.
func lineOf(i *control.Incident) string {
	steps := make([]string, len(i.Steps))
	for n, s := range i.Steps {
		steps[n] = s.Step + " " + s.State
	}
	return fmt.Sprintf("incident=%d threshold=%q key=%q account=%q source=%q mode=%s steps=%q reason=%q",
		i.ID, i.Threshold, i.Key.Kind+" "+i.Key.Value, i.Account, i.Source, i.Mode, strings.Join(steps, ", "), i.Reason)
}

func execute(t *template.Template, s Sheet) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, s)
	return b.String(), err
}
