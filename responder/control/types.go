package control

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
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
	Config   *File             `json:"config"` // null when it is of no file
	Allow    File              `json:"allow"`  // the allow file
	Counters map[string]uint64 `json:"counters"`
}

// File is the state of a file that a person writes.
type File struct {
	File     string    `json:"file"`
	Loaded   time.Time `json:"loaded"`             // the zero time: it never was
	Changed  bool      `json:"changed"`            // the file is not what is in force
	Refused  string    `json:"refused,omitempty"`  // why the last reload was refused, or the next one would be
	Warnings []string  `json:"warnings,omitempty"` // old names in the file, which still work
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
	LastGap        *Gap       `json:"last_gap"`
	CanaryHeard    *time.Time `json:"canary_heard"` // when an event of our own last came through
}

// Gap is a time during which nothing was heard from Asterisk.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Firewall is what the kernel says of the table.
type Firewall struct {
	Table          string `json:"table"`
	Bans           int    `json:"bans"`
	PacketsDropped uint64 `json:"packets_dropped"`
	BytesDropped   uint64 `json:"bytes_dropped"`
	Repairs        uint64 `json:"repairs"` // times the table was damaged by others and restored
}

// BanOrder asks for a ban.
type BanOrder struct {
	Prefix netip.Prefix `json:"prefix"`
	For    string       `json:"for"` // a duration as the configuration writes it, or "forever"
	Reason string       `json:"reason"`
	Force  bool         `json:"force"` // also when it would cut off the person who asks
	// Operator is where the person who asks is logged in from; the zero Addr
	// when it is this machine.
	Operator netip.Addr `json:"operator,omitzero"`
	// Sessions are from where anybody is logged in by SSH: the person who asks
	// may be one of them, though nothing in the environment says so.
	Sessions []netip.Addr `json:"sessions,omitempty"`
}

// UnbanOrder asks for the release of a ban, or of all of them.
type UnbanOrder struct {
	Prefix  netip.Prefix `json:"prefix,omitzero"`
	All     bool         `json:"all"`
	Forgive bool         `json:"forgive"` // forget its offences, too
}

// AllowOrder puts a prefix on the allow list or takes it off.
type AllowOrder struct {
	Prefix  netip.Prefix `json:"prefix"`
	Remove  bool         `json:"remove"`
	Comment string       `json:"comment"` // for the allow file
}

// Allowed is one prefix that is not banned, or not lightly.
type Allowed struct {
	Prefix netip.Prefix `json:"prefix"`
	Origin string       `json:"origin"`
	Reason string       `json:"reason"`
}

// Origins of an allowed prefix.
const (
	FromConfig   = "config"
	FromFile     = "file"
	FromAsterisk = "asterisk"  // the manager interface that the daemon listens to
	Learned      = "protected" // Asterisk trusts it; banned on proven evidence only
)

// Standing is how near a source, a network or an account is to a threshold.
type Standing struct {
	Key      score.Key     `json:"key"`
	Share    float64       `json:"share"`  // of the nearest threshold, 0 to 1
	Scores   []Score       `json:"scores"` // one for each threshold of the key's kind
	Last     *time.Time    `json:"last"`   // newest observation kept
	Crossed  bool          `json:"crossed"`
	Ban      *incident.Ban `json:"ban"`              // that covers it
	Trust    string        `json:"trust,omitempty"`  // why it is not banned lightly
	Channels int           `json:"channels"`         // calls of an account that are up
	Held     string        `json:"held,omitempty"`   // what is taken from an account for now: locked, restricted to networks
	Rotated  *time.Time    `json:"rotated,omitzero"` // when the account got its secret from us
}

// Score is the points towards one threshold.
type Score struct {
	Threshold string `json:"threshold"`
	Points    int    `json:"points"`
	Score     int    `json:"score"` // at which it is crossed
	Within    string `json:"within"`
}

// AccountOrder names the account that something is done to.
type AccountOrder struct {
	Account string `json:"account"`
	Expire  bool   `json:"expire"` // after a rotation, remove its registrations, too
}

// AccountDone says what was done to an account.
type AccountDone struct {
	Account  string   `json:"account"`
	Channels []string `json:"channels,omitempty"` // that were hung up
	Message  string   `json:"message"`
}

// BanChange is one line of a watch over the bans.
type BanChange struct {
	At     time.Time          `json:"at"`
	Change incident.BanChange `json:"change"`
	Ban    incident.Ban       `json:"ban"`
}

// Changed says in words what an order changed.
type Changed struct {
	Bans    []incident.Ban `json:"bans"`              // that were made or released
	Allowed []Allowed      `json:"allowed,omitempty"` // that were put on the list or taken off
	Message string         `json:"message"`
}
