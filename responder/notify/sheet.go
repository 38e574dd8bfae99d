package notify

import (
	"reflect"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
)

// Sheet is the data of a template: the fields of an incident as `tollwarden
// incident ID --json` prints them, and texts derived from them. Administrators'
// templates compare and range over these fields, so names and types must not
// change. Every string is safe to print.
type Sheet struct {
	ID                                int64
	At                                time.Time
	Key                               SheetKey
	Account, Source                   string // "" when there is none
	Name                              string // of the account's person; "" if it is not known
	Threshold, Playbook, Reason, Mode string
	Steps                             []SheetStep
	Evidence                          []SheetEvidence
	Calls                             []SheetCall
	Bare                              bool // the ledger could not be read: calls and raw lines are missing

	Host    string   // this machine
	Subject string   // STOPPED, ACT NOW or FYI, what happened, where, and which incident
	Urgency string   // the first words of Subject
	Title   string   // what happened, in a few words
	Outcome string   // how it ended, in one sentence
	Next    []string // what to do next
	Report  string   // the full output of `tollwarden incident ID`
}

// SheetKey is the key whose score crossed the threshold.
type SheetKey struct{ Kind, Value string }

// SheetStep is one step of the playbook, with its outcome.
type SheetStep struct{ Step, Target, State, Detail, Took string }

// SheetEvidence is one observation that led to the incident.
type SheetEvidence struct {
	At                                                 time.Time
	Signal, Source, Transport, Proof, Account, Session string
	Port                                               uint16
	Raw                                                []string
}

// SheetCall is one call of the incident's account.
type SheetCall struct {
	Channel, Account, Dialled, Country string
	Began                              time.Time
	Ended, Answered                    *time.Time // nil: unknown
}

func sheetOf(style report.Style, i *incident.Incident) (Sheet, *report.Report) {
	s := Sheet{
		ID: i.ID, At: i.At, Key: SheetKey{i.Key.Kind(), i.Key.Value()}, Account: i.Account, Name: i.Name, Threshold: i.Threshold,
		Playbook: i.Playbook, Reason: i.Reason, Mode: string(i.Mode), Steps: []SheetStep{}, Bare: i.Bare, Host: style.Site,
	}
	if i.Source.IsValid() {
		s.Source = i.Source.String()
	}
	for _, x := range i.Steps {
		s.Steps = append(s.Steps, SheetStep{string(x.Step), x.Target, string(x.State), x.Detail, x.Took.String()})
	}
	for _, e := range i.Evidence {
		s.Evidence = append(s.Evidence, SheetEvidence{
			At: e.At, Signal: e.Signal.String(), Source: e.Source.String(), Transport: e.Transport.String(), Proof: e.Proof.String(),
			Account: e.Account, Session: e.Session, Port: e.Port, Raw: e.Raw.Lines(),
		})
	}
	for _, c := range i.Calls {
		s.Calls = append(s.Calls, SheetCall{
			Channel: c.Channel, Account: c.Account, Dialled: c.Dialled, Country: c.Country,
			Began: c.Began, Ended: incident.SomeTime(c.Ended), Answered: incident.SomeTime(c.Answered),
		})
	}
	plainAll(reflect.ValueOf(&s).Elem())

	r := style.Incident(*i)
	var text strings.Builder
	_ = r.Text(&text) // writing to a Builder cannot fail
	s.Subject, s.Urgency, s.Title, s.Outcome, s.Next, s.Report = r.Subject(), r.Word(), r.Title, r.Outcome, r.Next, text.String()
	return s, r
}

// plainAll makes every string in a settable value safe to print.
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
		for i := range v.Len() {
			plainAll(v.Index(i))
		}
	}
}
