package config

import (
	_ "embed"
	"time"
)

// Reference is reference.toml: every key with its meaning and default. Parsing it
// gives exactly the defaults.
//
//go:embed reference.toml
var Reference []byte

// SecretEnv is the environment variable that overrides asterisk.secret and
// asterisk.secret_file.
const SecretEnv = "TOLLWARDEN_AMI_SECRET"

// Mode says whether the daemon acts on its verdicts.
type Mode string

const (
	// Enforce runs playbooks.
	Enforce Mode = "enforce"
	// Observe decides and records everything but changes nothing.
	Observe Mode = "observe"
)

// Config is a checked configuration with all defaults filled in.
type Config struct {
	Mode   Mode
	Data   string // folder of the ledger
	Socket string // path of the control socket

	Asterisk   Asterisk
	Database   Database
	Firewall   Firewall
	Bans       Bans
	Ledger     Ledger
	BreakIn    BreakIn
	Slow       Slow
	Rotate     Rotate
	Restrict   Restrict
	Breaker    Breaker
	Notify     Notify
	Exec       Exec
	Health     Health
	Calls      Calls
	Thresholds []Threshold
	Playbooks  []Playbook

	// Warnings are the old names that the file still uses, and what its thresholds lack since
	// an upgrade. They change nothing.
	Warnings []Warning
}

// Asterisk says how to reach the manager interface.
type Asterisk struct {
	Address   string
	Username  string
	Secret    Secret
	TLS       bool
	TLSCA     string // file with the certificate authority to trust; "" is the system's
	TLSName   string // name the certificate must have; "" is the host of Address
	ConfigDir string // folder of Asterisk's own configuration files
	Log       string // Asterisk's log, a second source of events; "" is none
	// LogDateFormat is the format of its dates, as in logger.conf; "" is that which they show.
	LogDateFormat string
	// LogTags are names of Asterisk in syslog and the journal, besides the usual ones.
	LogTags []string
	// Generated are patterns of configuration files that another program generates,
	// besides those that are recognised.
	Generated []string
}

// Database says how to log in to the MariaDB that Asterisk's accounts come from: that of
// FreePBX or Issabel, or that of PJSIP realtime.
type Database struct {
	Socket string // of the server; "" is the usual one
	User   string // its name is that of the user that the daemon runs as
	Name   string // "" is FreePBX's; realtime is changed through Asterisk's CLI then
}

// Firewall names our nftables table and what it must never drop.
type Firewall struct {
	Table string
	// Allow is what is never banned. Prefixes that are too wide, and host names, are on
	// it, too: see AllowedPrefixes.
	Allow []AllowItem
	// SIPPorts are UDP ports closed to a source that may be spoofed, besides those
	// that Asterisk says it listens on.
	SIPPorts []uint16
	// TCPPorts are TCP ports closed to a source that is banned with ScopeAsterisk,
	// besides those that Asterisk says it listens on.
	TCPPorts []uint16
	// Counters makes the kernel count the packets of each ban.
	Counters bool
}

// Bans are the ladders of ban times.
type Bans struct {
	// Ladder holds the ban times of the first, second, … offence; the last one
	// applies to all further offences. Zero is forever.
	Ladder []time.Duration
	// Scope holds what the ban of the first, second, … offence closes; the last one
	// applies to all further offences.
	Scope []Scope
	// Forget is the age at which an offence no longer counts.
	Forget time.Duration
	// Spoofable holds the ban times of the first, second, … ban of a source or
	// network that may be spoofed; the last one applies to all further ones.
	Spoofable []time.Duration
	// SpoofableForever makes the bans of a source that follow the last of Spoofable
	// last until a person releases them.
	SpoofableForever bool
}

// Scope is what a ban closes to a source whose address is confirmed.
type Scope string

// The scopes.
const (
	ScopeAsterisk Scope = "asterisk" // Asterisk's ports, over UDP and TCP
	ScopeAll      Scope = "all"      // every port
)

// Ledger says how long the ledger keeps its records, and how large it grows.
type Ledger struct {
	// Keep is the age at which ended bans, offences, incidents and operators'
	// actions are deleted. It is at least Bans.Forget.
	Keep time.Duration
	// Size bounds the ledger in bytes.
	Size int64
}

// BreakIn tunes the signals SuccessAfterFailures and NewPlaceAfterFailures.
type BreakIn struct {
	Failures int           // failed logins to an account …
	Within   time.Duration // … within this time, before one from an unknown source succeeds
	Known    time.Duration // a source that logged in this recently is known
}

// Slow says how much slow guessing raises a signal.
type Slow struct {
	Within          time.Duration // how long a wrong password counts
	Accounts        int           // SlowGuesser: extensions that one address fails for
	Failures        int           // SlowGuesser: wrong passwords of one address
	NetworkAccounts int           // SlowNetwork: the same for a network
	Addresses       int           // SlowAttack: changes of address
	SiteAccounts    int           // GuessingCampaign: extensions guessed at
}

// Rotate says how a stolen secret is replaced and where the new one is stored.
type Rotate struct {
	Method     string   // auto | pjsip-file | pjsip-realtime | chan-sip | iax2 | freepbx | exec
	Length     int      // characters
	Store      string   // file, mode 0600, to which new secrets are appended
	Recipient  string   // age recipient to encrypt new secrets to; "" stores them in plain text
	Exec       []string // command and arguments for method exec
	Realtime   string   // realtime family of PJSIP auth objects
	ExecWithin time.Duration
	DirectEdit bool // edit Asterisk's files in place instead of asking Asterisk to
}

// Restrict says when an account under a distributed attack is limited to its
// known networks, and for how long.
type Restrict struct {
	Networks       int           // networks that must be guessing, from confirmed addresses
	TrustSpoofable bool          // addresses that may be spoofed count, too
	Quiet          time.Duration // the attack is over after so long with fewer networks
	Lived          time.Duration // only accounts that have lived in one network for so long; 0: all
}

// Health says how often the daemon tests that it would stop an attack now.
type Health struct {
	Canary   time.Duration // how often an event of our own must come through Asterisk
	Firewall time.Duration // how often the kernel's table is verified and probed
	Listen   string        // host:port of /healthz and /metrics; "" is off
}

// Per is what a threshold keeps its scores by.
type Per string

// The kinds of key.
const (
	PerSource  Per = "source"
	PerNetwork Per = "network"
	PerAccount Per = "account"
	PerSite    Per = "site"
	PerOrigin  Per = "origin"
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
	// Mode is Observe if the playbook is not run even in mode enforce.
	Mode Mode
}

// Observing counts the thresholds whose playbooks are not run in mode enforce.
func (c *Config) Observing() (n int) {
	for _, t := range c.Thresholds {
		if t.Mode == Observe {
			n++
		}
	}
	return n
}

// Step is one effect of a playbook.
type Step string

// The steps of playbooks.
const (
	StepBan                 Step = "ban"
	StepRotate              Step = "rotate"
	StepRemoveRegistrations Step = "remove-registrations"
	StepLock                Step = "lock"
	StepRestrict            Step = "restrict"
	StepLimitCosts          Step = "limit-costs"
	StepHangupCall          Step = "hangup-call"
	StepHangup              Step = "hangup"
	StepNotify              Step = "notify"
	StepExec                Step = "exec"
)

// Steps lists every step, in the order of the documentation.
var Steps = []Step{StepBan, StepRotate, StepRemoveRegistrations, StepLock, StepRestrict, StepLimitCosts, StepHangupCall, StepHangup, StepNotify, StepExec}

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
