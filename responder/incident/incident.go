// Package incident holds the types that every part of the daemon speaks of:
// incidents with their steps, evidence and calls, and bans. The ledger stores
// them, the control API and the webhook send them as JSON, and the commands and
// reports show them.
package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// Mode is the mode that an incident was decided in.
type Mode string

// The modes. In Observe nothing was changed, nor in Paused: in mode enforce, but while a
// person had asked for a pause.
const (
	Enforce Mode = "enforce"
	Observe Mode = "observe"
	Paused  Mode = "paused"
)

// Why a step was not carried out in mode observe; ": would " and what it would have done
// follow.
const (
	ObservedMode      = "mode is observe"
	ObservedThreshold = "this threshold only observes"
)

// Would is what a step would have done if something else than mode observe or a pause had
// decided; ok is false for any other step.
func (s *Step) Would() (what string, ok bool) {
	if s.State != Skipped {
		return "", false
	}
	for _, why := range []string{ObservedMode, ObservedThreshold, "paused"} {
		if what, ok = strings.CutPrefix(s.Detail, why+": would "); ok {
			return what, true
		}
	}
	return "", false
}

// ModeOf is Observe or Enforce.
func ModeOf(observe bool) Mode {
	if observe {
		return Observe
	}
	return Enforce
}

// Incident is a verdict with its steps and its evidence, and with what joined it.
type Incident struct {
	ID        int64      `json:"id"` // 1, 2, 3, …; given by the ledger
	At        time.Time  `json:"at"`
	Key       score.Key  `json:"key"`
	Account   string     `json:"account,omitempty"` // "" when none is concerned
	Name      string     `json:"name,omitempty"`    // of the account's person, as Asterisk has it now; not in the ledger
	Source    netip.Addr `json:"source,omitzero"`   // the zero Addr when none is concerned
	Threshold string     `json:"threshold"`
	Playbook  string     `json:"playbook"`
	Reason    string     `json:"reason"` // a sentence for people
	Mode      Mode       `json:"mode"`
	Steps     []Step     `json:"steps"`
	// Evidence and Calls are filled in only where one incident is asked for.
	Evidence []Evidence `json:"evidence,omitempty"` // the oldest first, if the ledger gave it
	Calls    []Call     `json:"calls,omitempty"`    // by their beginning
	// Cost is about what the calls cost together; zero, and left out in JSON, if none is known
	// to have cost anything. Only the ledger fills it in.
	Cost Cost `json:"cost,omitzero"`
	// Bare says that the ledger could not be read: Calls and what Evidence was
	// read from are missing.
	Bare bool `json:"bare,omitempty"`
}

// Started is when step n was decided.
func (i *Incident) Started(n int) time.Time {
	if at := i.Steps[n].Began; !at.IsZero() {
		return at
	}
	return i.At
}

// Shared says whether the incident is about many addresses that have nothing in common but
// the minute in which they were blocked.
func (i *Incident) Shared() bool {
	bans := 0
	for n := range i.Steps {
		if i.Steps[n].Step == StepBan {
			bans++
		}
	}
	return i.Key.Per == score.PerSite && bans > 1
}

// Clone is a copy whose steps the caller may keep.
func (i *Incident) Clone() Incident {
	c := *i
	c.Steps = append([]Step(nil), i.Steps...)
	return c
}

// MarshalJSON writes an incident without steps with an empty list of them.
func (i Incident) MarshalJSON() ([]byte, error) {
	type plain Incident
	if i.Steps == nil {
		i.Steps = []Step{}
	}
	return marshal(plain(i))
}

// Evidence is one observation that an incident rests on.
type Evidence struct {
	score.Record
	// Raw is what it was read from, any bytes; "" when that is not known.
	Raw Raw `json:"raw,omitempty"`
}

// Call is one call of the account that an incident is about.
type Call struct {
	Channel string    `json:"channel"` // as Asterisk named it
	Account string    `json:"account"`
	Dialled string    `json:"dialled"`
	Country string    `json:"country,omitempty"` // ISO 3166 code; "" when unknown
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"` // zero, and null in JSON: it was up when last heard of
	// Answered is when it began to cost, at the earliest; zero, and null in JSON:
	// it was not answered, as far as is known.
	Answered time.Time `json:"answered"`
	// Cost is about what the call cost, or had cost when it was last heard of; zero, and left
	// out in JSON, if it was not answered or is within the country.
	Cost Cost `json:"cost,omitzero"`
}

// Cost is about what a call cost.
type Cost struct {
	Amount   int64  `json:"millionths"` // of the currency
	Currency string `json:"currency"`
	Estimate bool   `json:"estimate"` // at a default rate
}

// String is the amount as people read it: whole from ten on.
func (c Cost) String() string {
	amount, words := float64(c.Amount)/1e6, ""
	if c.Estimate {
		words = " (an estimate at default rates)"
	}
	if amount >= 10 {
		return fmt.Sprintf("%.0f %s%s", amount, c.Currency, words)
	}
	return fmt.Sprintf("%.2f %s%s", amount, c.Currency, words)
}

// MarshalJSON writes a time that has not come as null.
func (c Call) MarshalJSON() ([]byte, error) {
	return marshal(struct {
		Channel  string     `json:"channel"`
		Account  string     `json:"account"`
		Dialled  string     `json:"dialled"`
		Country  string     `json:"country,omitempty"`
		Began    time.Time  `json:"began"`
		Ended    *time.Time `json:"ended"`
		Answered *time.Time `json:"answered"`
		Cost     Cost       `json:"cost,omitzero"`
	}{c.Channel, c.Account, c.Dialled, c.Country, c.Began, SomeTime(c.Ended), SomeTime(c.Answered), c.Cost})
}

// SomeTime is t, or nil for the zero time, which JSON then writes as null.
func SomeTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
