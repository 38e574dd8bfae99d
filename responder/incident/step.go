package incident

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// StepKind is what a step does.
type StepKind string

// The steps that a playbook can hold.
const (
	StepBan                 StepKind = "ban"
	StepHangupCall          StepKind = "hangup-call" // the one call that the verdict is about
	StepHangup              StepKind = "hangup"
	StepRotate              StepKind = "rotate"
	StepLock                StepKind = "lock"
	StepRestrict            StepKind = "restrict"
	StepLimitCosts          StepKind = "limit-costs" // end costly calls from where the account is not known
	StepRemoveRegistrations StepKind = "remove-registrations"
	StepNotify              StepKind = "notify"
	StepExec                StepKind = "exec"
)

// oldStepNames are the names under which earlier releases recorded a step.
var oldStepNames = map[string]StepKind{"expire-contacts": StepRemoveRegistrations}

// StepNamed returns the step that a record names, also one of an earlier release.
func StepNamed(name string) StepKind {
	if kind, ok := oldStepNames[name]; ok {
		return kind
	}
	return StepKind(name)
}

// UnmarshalText reads a step as StepNamed does.
func (k *StepKind) UnmarshalText(name []byte) error {
	*k = StepNamed(string(name))
	return nil
}

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
	Step   StepKind `json:"step"`
	Target string   `json:"target"` // an address, a prefix, a channel or an account
	State  State    `json:"state"`
	Detail string   `json:"detail"` // what was done, why it failed or why it was skipped; never a secret
	Took   Elapsed  `json:"took"`   // from the verdict to the outcome
	// Began is when the step joined an incident that was under way; zero, and left out
	// in JSON, if the incident began with it.
	Began time.Time `json:"began,omitzero"`

	// What the step carries out; nothing of it is stored or shown.
	Ban      Ban            `json:"-"` // by StepBan
	Flow     Flow           `json:"-"` // by StepBan instead, where others share the address
	Networks []netip.Prefix `json:"-"` // that StepRestrict limits the account to
	Anywhere bool           `json:"-"` // StepLimitCosts ends calls wherever they come from
	// Instead says that something else is done in place of a skipped step, so that
	// the attack does not go on unhindered.
	Instead bool `json:"-"`
}

// Everybody is the target of a step about the whole site.
const Everybody = "all extensions"

// ErrUnreachable says that there was no session to Asterisk, or that it broke, so that it is
// not certain that anything was done.
var ErrUnreachable = errors.New("no session to Asterisk")

// Why a ban is skipped at an address of the site: it is on the allow list, or protected,
// which the detail goes on to explain.
const (
	OnAllowList = "on the allow list"
	Protected   = "protected ("
)

// SkipUnless skips an intended step unless ok, and says why.
func (s *Step) SkipUnless(ok bool, why string) {
	if !ok && s.State == Intended {
		s.State, s.Detail = Skipped, why
	}
}

// Informs says that the step changes nothing itself and only informs somebody
// outside.
func (s *Step) Informs() bool { return s.Step == StepNotify || s.Step == StepExec }

// Flow is the traffic of one device behind an address that it shares with others.
type Flow struct {
	At         netip.AddrPort
	Connection bool          // over TCP, TLS or WebSocket; otherwise over UDP
	Phone      string        // whose it is, in words
	About      string        // what is wrong with it, in words
	For        time.Duration // how long it is dropped
}

// Kind is "flow" or "connection".
func (f Flow) Kind() string {
	if f.Connection {
		return "connection"
	}
	return "flow"
}

// Elapsed is a duration that people read: rounded, and "" where there is none
// yet.
type Elapsed time.Duration

// String writes the duration, rounded to what matters to a reader.
func (e Elapsed) String() string {
	switch d := time.Duration(e); {
	case d == 0:
		return ""
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// MarshalText writes what String gives.
func (e Elapsed) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (e *Elapsed) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*e = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("incident: time that a step took: %w", err)
	}
	*e = Elapsed(max(d, 1)) // "0s" is a time, though a short one
	return nil
}
