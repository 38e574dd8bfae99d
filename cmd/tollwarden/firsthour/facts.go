package firsthour

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
)

// Facts are what is known of this PBX. All text may come from outside.
type Facts struct {
	Host      string    `json:"host"`
	At        time.Time `json:"at"`
	Since     time.Time `json:"since"`               // how far back BreakIns go
	State     string    `json:"state"`               // would an attack be stopped now? In one sentence
	Stopping  bool      `json:"stopping"`            // it would
	Running   bool      `json:"running"`             // the daemon is
	Recorded  bool      `json:"recorded"`            // the records could be read
	Currency  string    `json:"currency,omitempty"`  // of money
	Trunks    []Trunk   `json:"trunks"`              // to carriers
	Receivers []string  `json:"receivers"`           // who gets messages; null: that is not known
	Keep      []string  `json:"keep"`                // files and folders with evidence
	Leave     []string  `json:"leave,omitempty"`     // those in them that hold passwords
	BreakIns  []BreakIn `json:"break_ins"`           // the newest first
	Unknown   []string  `json:"unknown"`             // what could not be filled in, and why
	Package   bool      `json:"-"`                   // systemd runs the daemon
	Truncated bool      `json:"truncated,omitempty"` // there are more break-ins than BreakIns
}

// BreakIn is an incident about somebody who used an extension.
type BreakIn struct {
	Incident  int64           `json:"incident"`
	At        time.Time       `json:"at"`
	Extension string          `json:"extension"`
	Name      string          `json:"name,omitempty"` // of its person
	Source    string          `json:"source,omitempty"`
	Threshold string          `json:"threshold"`
	Observed  bool            `json:"observed,omitempty"` // nothing was done, as in mode observe
	Done      []string        `json:"done"`
	Open      []string        `json:"open,omitempty"` // what failed
	Cost      incident.Cost   `json:"cost,omitzero"`
	Calls     []incident.Call `json:"calls,omitempty"`
}

// Title is the extension with its person's name.
func (b *BreakIn) Title() string { return people.Title(b.Extension, b.Name) }

// Incidents are where incidents are on record: a daemon, or its records.
type Incidents interface {
	Incidents(ctx context.Context, limit int) ([]incident.Incident, error)
	Incident(ctx context.Context, id int64) (incident.Incident, error)
}

const (
	lookedAt = 5000 // incidents that are looked at
	listed   = 20   // break-ins that are listed with their calls
)

// takesAway are the steps of playbooks against somebody who uses an extension.
var takesAway = []incident.StepKind{incident.StepHangup, incident.StepRotate, incident.StepLock, incident.StepRemoveRegistrations}

// isBreakIn says whether an incident is about somebody who used an extension.
func isBreakIn(i *incident.Incident) bool {
	return i.Account != "" && (i.Cost.Amount > 0 || slices.ContainsFunc(i.Steps, func(s incident.Step) bool { return slices.Contains(takesAway, s.Step) }))
}

// ReadBreakIns fills in the break-ins since f.Since.
func (f *Facts) ReadBreakIns(ctx context.Context, from Incidents, done func(incident.StepKind, incident.State) string) error {
	list, err := from.Incidents(ctx, lookedAt)
	var incomplete control.Incomplete
	if err != nil && !errors.As(err, &incomplete) {
		return fmt.Errorf("incidents: %w", err)
	}
	for n := range list {
		i := &list[n]
		if i.At.Before(f.Since) || !isBreakIn(i) {
			continue
		}
		if len(f.BreakIns) == listed {
			f.Truncated = true
			break
		}
		b := BreakIn{Incident: i.ID, At: i.At, Extension: i.Account, Name: i.Name, Threshold: i.Threshold, Observed: i.Mode == incident.Observe, Cost: i.Cost, Done: []string{}}
		if i.Source.IsValid() {
			b.Source = i.Source.String()
		}
		for _, s := range i.Steps {
			switch words := done(s.Step, s.State); {
			case s.State == incident.Done && !slices.Contains(b.Done, words):
				b.Done = append(b.Done, words)
			case s.State == incident.Failed && !slices.Contains(b.Open, words):
				b.Open = append(b.Open, words)
			}
		}
		if whole, err := from.Incident(ctx, i.ID); err == nil || errors.As(err, &incomplete) {
			b.Calls = whole.Calls
		}
		f.BreakIns = append(f.BreakIns, b)
	}
	f.Recorded = true
	return nil
}

// extensions are those that were broken into, each once.
func (f *Facts) extensions() (list []BreakIn) {
	for _, b := range f.BreakIns {
		if !slices.ContainsFunc(list, func(x BreakIn) bool { return x.Extension == b.Extension }) {
			list = append(list, b)
		}
	}
	return list
}

// callID tells calls apart: two incidents about one thief list the same ones.
func callID(c *incident.Call) string { return c.Channel + c.Began.String() }

// calls are the calls of all break-ins, the first one first, each once.
func (f *Facts) calls() (list []incident.Call) {
	seen := map[string]bool{}
	for _, b := range f.BreakIns {
		for _, c := range b.Calls {
			if id := callID(&c); !seen[id] {
				seen[id] = true
				list = append(list, c)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b incident.Call) int { return a.Began.Compare(b.Began) })
	return list
}

// cost is about what all break-ins cost, each call counted once; "" if none is known to have
// cost anything.
func (f *Facts) cost() string {
	var total incident.Cost
	seen := map[string]bool{}
	for _, b := range f.BreakIns {
		if total.Currency != "" && b.Cost.Currency != "" && b.Cost.Currency != total.Currency {
			continue // it was changed meanwhile
		}
		amount := b.Cost.Amount
		for _, c := range b.Calls {
			if id := callID(&c); seen[id] {
				amount -= c.Cost.Amount
			} else {
				seen[id] = true
			}
		}
		total.Amount += max(amount, 0)
		total.Estimate = total.Estimate || b.Cost.Estimate
		if b.Cost.Currency != "" {
			total.Currency = b.Cost.Currency
		}
	}
	if total.Amount == 0 {
		return ""
	}
	return strings.TrimSpace(total.String())
}
