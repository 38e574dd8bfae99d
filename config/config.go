package config

import (
	_ "embed"
	"net/netip"
	"time"
)

// Reference is reference.toml: every key, its meaning and its default. Parsing
// it gives exactly the defaults.
//
//go:embed reference.toml
var Reference []byte

// SecretEnv is the environment variable whose value wins over
// asterisk.secret and asterisk.secret_file.
const SecretEnv = "TOLLWARDEN_AMI_SECRET"

// Mode says whether verdicts have effects.
type Mode string

const (
	// Enforce carries playbooks out.
	Enforce Mode = "enforce"
	// Observe decides and records everything and changes nothing.
	Observe Mode = "observe"
)

// Config is a checked configuration with all defaults filled in.
type Config struct {
	Mode   Mode
	Data   string // folder of the ledger
	Socket string // path of the control socket

	Asterisk   Asterisk
	Firewall   Firewall
	Bans       Bans
	Ledger     Ledger
	BreakIn    BreakIn
	Rotate     Rotate
	Restrict   Restrict
	Notify     Notify
	Exec       Exec
	Health     Health
	Calls      Calls
	Thresholds []Threshold
	Playbooks  []Playbook
}

// Asterisk says how to reach the manager interface.
type Asterisk struct {
	Address   string
	Username  string
	Secret    Secret
	TLS       bool
	TLSCA     string // file with the certificate authority to trust; "" is the system's
	TLSName   string // name the certificate must hold; "" is the host of Address
	ConfigDir string // where Asterisk's own configuration files are
	Log       string // Asterisk's log, the second pair of eyes; "" is none
}

// Firewall says which nftables table is ours and what it must never drop.
type Firewall struct {
	Table string
	Allow []netip.Prefix
	// SIPPorts are the UDP ports that are closed to a source that may be forged.
	SIPPorts []uint16
	// Counters says whether the kernel counts the packets of each ban.
	Counters bool
}

// Bans is the ladder of ban times.
type Bans struct {
	// Ladder holds the ban time of the first, second, … offence; the last one
	// serves all that follow. Zero is forever.
	Ladder []time.Duration
	// Forget is the age at which an offence no longer counts.
	Forget time.Duration
	// Claimed is the ban time of a source that forged packets can have named.
	Claimed time.Duration
}

// Ledger says what is remembered, and for how long.
type Ledger struct {
	// Keep is how long ended bans, offences, incidents and operators' actions
	// are kept. It is no shorter than Bans.Forget.
	Keep time.Duration
}

// BreakIn tunes the signal SuccessAfterFailures.
type BreakIn struct {
	Failures int           // failures of an account by strangers …
	Within   time.Duration // … within this time, before a stranger's success
	Known    time.Duration // a source that succeeded this recently is no stranger
}

// Rotate says how a stolen secret is replaced and where the new one is kept.
type Rotate struct {
	Method     string   // auto | pjsip-file | pjsip-realtime | chan-sip | exec
	Length     int      // characters
	Store      string   // file, mode 0600, that new secrets are appended to
	Recipient  string   // age recipient; when set, new secrets are stored encrypted to it
	Exec       []string // command and arguments for method exec
	Realtime   string   // realtime family of PJSIP auth objects
	ExecWithin time.Duration
	DirectEdit bool // Asterisk never rewrites its own files
}

// Restrict says when an account under attack can be used from its known
// networks alone, and for how long.
type Restrict struct {
	Networks int           // strangers of so many networks must have proved to be guessing
	Claimed  bool          // they need not have proved it
	Quiet    time.Duration // the storm is over when for so long there were fewer
}

// Health says how the daemon proves that it would stop an attack now.
type Health struct {
	Canary time.Duration // how often an event of our own has to come through Asterisk
	Kernel time.Duration // how often the kernel's table is compared and probed
	Listen string        // host:port of /healthz and /metrics; "" is nowhere
}

// Per is what a threshold counts by.
type Per string

// The three kinds of key.
const (
	PerSource  Per = "source"
	PerNetwork Per = "network"
	PerAccount Per = "account"
)

// Threshold is one rule: these signals, per this key, this score within this
// time, run that playbook.
type Threshold struct {
	Name     string
	Per      Per
	Signals  map[string]int // points by signal name
	Score    int
	Within   time.Duration
	Playbook string
}

// Step is one effect of a playbook.
type Step string

// The steps a playbook may hold.
const (
	StepBan            Step = "ban"
	StepRotate         Step = "rotate"
	StepExpireContacts Step = "expire-contacts"
	StepLock           Step = "lock"
	StepRestrict       Step = "restrict"
	StepHangupCall     Step = "hangup-call"
	StepHangup         Step = "hangup"
	StepNotify         Step = "notify"
	StepExec           Step = "exec"
)

// Steps lists every step, in the order of the documentation.
var Steps = []Step{StepBan, StepRotate, StepExpireContacts, StepLock, StepRestrict, StepHangupCall, StepHangup, StepNotify, StepExec}

// Playbook is an ordered list of steps under a name.
type Playbook struct {
	Name  string
	Steps []Step
}

// Secret is a string that never prints itself.
type Secret string

// String hides the value.
func (Secret) String() string { return "<secret>" }

// GoString hides the value from %#v.
func (Secret) GoString() string { return "<secret>" }

// MarshalText hides the value from JSON and TOML encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte("<secret>"), nil }
