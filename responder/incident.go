package responder

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/score"
)

// StepKind is what a step does.
type StepKind string

// The steps a playbook can hold.
const (
	StepBan            StepKind = "ban"
	StepHangupCall     StepKind = "hangup-call" // the one call that the verdict is about
	StepHangup         StepKind = "hangup"
	StepRotate         StepKind = "rotate"
	StepLock           StepKind = "lock"
	StepRestrict       StepKind = "restrict"
	StepExpireContacts StepKind = "expire-contacts"
	StepNotify         StepKind = "notify"
	StepExec           StepKind = "exec"
)

// State is how far a step has come.
type State string

// The states of a step. Done means checked with the kernel or with Asterisk.
const (
	Intended State = "intended"
	Done     State = "done"
	Failed   State = "failed"
	Skipped  State = "skipped"
)

// Step is one effect on one target, with its outcome.
type Step struct {
	Kind   StepKind
	Target string // an address, a prefix or an account
	State  State
	Detail string        // what was done, why it failed or why it was skipped
	Took   time.Duration // from the verdict to the outcome

	ban  Ban            // what StepBan carries out
	flow flow           // what it carries out instead, where others use the address
	to   []netip.Prefix // what StepRestrict restricts the account to
}

// Incident is a verdict with its steps and its evidence.
type Incident struct {
	ID        int64
	At        time.Time
	Key       score.Key
	Threshold string
	Playbook  string
	Reason    string
	Observed  bool       // decided in mode observe: nothing was changed
	Account   string     // "" when none is concerned
	Source    netip.Addr // the zero Addr when none is concerned
	Evidence  []score.Record
	Steps     []Step
}

// clone is a copy whose steps the caller may keep.
func (i *Incident) clone() Incident {
	c := *i
	c.Steps = append([]Step(nil), i.Steps...)
	return c
}

// Mode is the mode the incident was decided in.
func (i *Incident) Mode() string {
	if i.Observed {
		return "observe"
	}
	return "enforce"
}
