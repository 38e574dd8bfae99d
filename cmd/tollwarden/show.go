package main

import (
	"context"
	"time"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/report"
)

// What the commands and the webhook show of bans and incidents.

func showBans(bans []responder.Ban) []control.Ban {
	list := make([]control.Ban, len(bans))
	for i, b := range bans {
		list[i] = showBan(b)
	}
	return list
}

func showBan(b responder.Ban) control.Ban {
	shown := control.Ban{Prefix: b.Prefix, Since: b.Since, Scope: string(responder.ScopeAll), Reason: b.Reason, Origin: b.Origin, Offence: b.Offence}
	if b.Claimed() {
		shown.Scope = string(b.Scope)
	}
	if !b.Forever() {
		shown.Until = &b.Until
	}
	return shown
}

func showIncident(i *responder.Incident) control.Incident {
	shown := control.Incident{
		ID: i.ID, At: i.At, Key: control.Key{Kind: i.Key.Per.String(), Value: i.Key.String()},
		Account: i.Account, Threshold: i.Threshold, Playbook: i.Playbook, Reason: i.Reason, Mode: i.Mode(), Steps: []control.Step{},
	}
	if i.Source.IsValid() {
		shown.Source = i.Source.String()
	}
	for _, s := range i.Steps {
		shown.Steps = append(shown.Steps, control.Step{
			Step: string(s.Kind), Target: s.Target, State: string(s.State), Detail: s.Detail, Took: took(s.Took),
		})
	}
	for _, e := range i.Evidence {
		shown.Evidence = append(shown.Evidence, control.Observation{
			At: e.At, Signal: e.Signal.String(), Source: e.Source.String(), Port: e.Port,
			Transport: e.Transport.String(), Proof: e.Proof.String(), Account: e.Account, Session: e.Session,
		})
	}
	return shown
}

// recordWithin bounds the question for an incident that somebody is told of: they
// hear less then, and not later.
const recordWithin = 2 * time.Second

// onRecord is an incident as it is on record, with its calls and with Asterisk's
// own lines, or without where the ledger cannot tell.
func onRecord(l *ledger.Ledger, i *responder.Incident) control.Incident {
	ctx, cancel := context.WithTimeout(context.Background(), recordWithin)
	defer cancel()
	row, err := l.Incident(ctx, i.ID)
	if err != nil {
		shown := showIncident(i)
		shown.Bare = true
		return shown
	}
	return showRow(&row)
}

func showRow(row *ledger.Incident) control.Incident {
	shown := control.Incident{
		ID: row.ID, At: row.At, Key: control.Key{Kind: row.KeyKind, Value: row.KeyValue}, Account: row.Account,
		Threshold: row.Threshold, Playbook: row.Playbook, Reason: row.Reason, Mode: row.Mode, Steps: []control.Step{},
	}
	if row.Source.IsValid() {
		shown.Source = row.Source.String()
	}
	for _, s := range row.Steps {
		shown.Steps = append(shown.Steps, control.Step{Step: s.Step, Target: s.Target, State: s.State, Detail: s.Detail, Took: took(s.Took)})
	}
	for _, e := range row.Evidence {
		shown.Evidence = append(shown.Evidence, control.Observation{
			At: e.At, Signal: e.Signal, Source: e.Source.String(), Port: e.Port,
			Transport: e.Transport, Proof: e.Proof, Account: e.Account, Session: e.Session, Raw: report.RawLines(e.Raw),
		})
	}
	for _, c := range row.Calls {
		shown.Calls = append(shown.Calls, control.Call{
			Channel: c.Channel, Account: c.Account, Dialled: c.Dialled, Country: c.Country, Began: c.Began, Ended: someTime(c.Ended), Answered: someTime(c.Answered),
		})
	}
	return shown
}

// someTime is t, or nothing for the zero time.
func someTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// took writes how long a step took; a step without an outcome took no time.
func took(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func untilWords(t *time.Time) string {
	if t == nil {
		return "until it is released"
	}
	return "until " + clock(*t)
}
