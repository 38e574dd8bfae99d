package control

import (
	"net/netip"
	"time"
)

// Status is the daemon's health in one place.
type Status struct {
	Health   string            `json:"health"` // "ok" or "degraded"
	Version  string            `json:"version"`
	Mode     string            `json:"mode"`
	Since    time.Time         `json:"since"` // start of the daemon
	Checks   []Check           `json:"checks"`
	Asterisk Asterisk          `json:"asterisk"`
	Firewall Firewall          `json:"firewall"`
	Counters map[string]uint64 `json:"counters"`
}

// Values of Status.Health.
const (
	Healthy  = "ok"
	Degraded = "degraded"
)

// Check is one thing that must hold for the daemon to stop an attack now.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Asterisk is the state of the manager sessions.
type Asterisk struct {
	Version        string     `json:"version"`
	ConnectedSince *time.Time `json:"connected_since"` // null while there is no event session
	Events         uint64     `json:"events"`
	Gaps           uint64     `json:"gaps"` // losses of the event session
}

// Firewall is what the kernel says of the table.
type Firewall struct {
	Table          string `json:"table"`
	Bans           int    `json:"bans"`
	PacketsDropped uint64 `json:"packets_dropped"`
	BytesDropped   uint64 `json:"bytes_dropped"`
}

// Ban is one prefix dropped, and why.
type Ban struct {
	Prefix  netip.Prefix `json:"prefix"`
	Since   time.Time    `json:"since"`
	Until   *time.Time   `json:"until"` // null: until a person releases it
	Reason  string       `json:"reason"`
	Origin  string       `json:"origin"`
	Offence int          `json:"offence"`
	Scope   string       `json:"scope"` // "all", or "sip": the SIP ports over UDP only
}

// Key is what a threshold counted by.
type Key struct {
	Kind  string `json:"kind"` // source, network or account
	Value string `json:"value"`
}

// Step is one effect of an incident, with its outcome.
type Step struct {
	Step   string `json:"step"`
	Target string `json:"target"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Took   string `json:"took"` // from the verdict to the outcome
}

// Incident is a verdict with its steps. Evidence is filled in only where one
// incident is asked for.
type Incident struct {
	ID        int64         `json:"id"`
	At        time.Time     `json:"at"`
	Key       Key           `json:"key"`
	Account   string        `json:"account,omitempty"`
	Source    string        `json:"source,omitempty"`
	Threshold string        `json:"threshold"`
	Playbook  string        `json:"playbook"`
	Reason    string        `json:"reason"`
	Mode      string        `json:"mode"`
	Steps     []Step        `json:"steps"`
	Evidence  []Observation `json:"evidence,omitempty"`
}

// Observation is one piece of evidence.
type Observation struct {
	At        time.Time `json:"at"`
	Signal    string    `json:"signal"`
	Source    string    `json:"source"`
	Port      uint16    `json:"port"`
	Transport string    `json:"transport"`
	Proof     string    `json:"proof"`
	Account   string    `json:"account"`
	Session   string    `json:"session"`
}

// BanOrder asks for a ban.
type BanOrder struct {
	Prefix netip.Prefix `json:"prefix"`
	For    string       `json:"for"` // a duration as the configuration writes it, or "forever"
	Reason string       `json:"reason"`
	Force  bool         `json:"force"` // also when it would cut off the person who asks
}

// UnbanOrder asks for the release of a ban, or of all of them.
type UnbanOrder struct {
	Prefix netip.Prefix `json:"prefix"`
	All    bool         `json:"all"`
}

// Changed says in words what an order changed.
type Changed struct {
	Bans    []Ban  `json:"bans"`
	Message string `json:"message"`
}
