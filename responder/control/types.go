package control

import (
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Status is the daemon's health at a glance.
type Status struct {
	Health   string            `json:"health"` // "ok", "starting" or "degraded"
	Version  string            `json:"version"`
	Mode     string            `json:"mode"`
	Since    time.Time         `json:"since"` // start of the daemon
	Checks   []Check           `json:"checks"`
	Asterisk Asterisk          `json:"asterisk"`
	Firewall Firewall          `json:"firewall"`
	Config   *File             `json:"config"` // null when it is not from a file
	Allow    File              `json:"allow"`  // the allow file
	Counters map[string]uint64 `json:"counters"`
	// Ineffective are the bans without effect, and Unstopped the attacks that go
	// on although a threshold was crossed, those first that have lasted longest.
	Ineffective []IneffectiveBan `json:"ineffective_bans"`
	Unstopped   []Attack         `json:"unstopped_attacks"`
	// Pause is the pause that a person asked for; null: none is on.
	Pause *Pause `json:"pause"`
	// Observing names the thresholds that only observe while the others act.
	Observing []string `json:"observing_thresholds,omitempty"`
	Breaker   Breaker  `json:"breaker"`
}

// IneffectiveBan is a ban whose address still gets through.
type IneffectiveBan struct {
	Ban      incident.Ban `json:"ban"`
	Incident int64        `json:"incident,omitempty"`
	Since    time.Time    `json:"since"` // when the address was first heard in spite of the ban
	Last     time.Time    `json:"last"`
	Answered uint64       `json:"answered"` // SIP responses that left for it over UDP
	Heard    uint64       `json:"heard"`    // Asterisk's events that named it
	Renewals uint64       `json:"renewals"`
	Widened  *time.Time   `json:"widened"`               // when the ban became one of all traffic; null: it did not
	Kept     string       `json:"not_widened,omitempty"` // why it was not widened
}

// Attack is one that goes on because every step of its playbook was skipped or
// failed.
type Attack struct {
	Key       score.Key `json:"key"`
	Name      string    `json:"name,omitempty"` // of an account's person
	Threshold string    `json:"threshold"`
	Since     time.Time `json:"since"`
	Last      time.Time `json:"last"`
	Crossed   int       `json:"crossed"` // how often the threshold was
	Reason    string    `json:"reason"`  // why nothing was done
	Advice    string    `json:"advice"`  // what to do
}

// File is the state of a file that the administrator edits.
type File struct {
	File     string    `json:"file"`
	Loaded   time.Time `json:"loaded"`             // zero: never
	Changed  bool      `json:"changed"`            // the file differs from what is in force
	Refused  string    `json:"refused,omitempty"`  // why the last reload was refused, or the next one would be
	Warnings []string  `json:"warnings,omitempty"` // old names in the file, which still work
}

// Values of Status.Health.
const (
	Healthy  = "ok"
	Starting = "starting" // what Asterisk alone knows is still being asked; at most some seconds
	Degraded = "degraded"
	// Observing is what /healthz says of a healthy daemon in mode observe.
	Observing = "observing"
)

// Check is one thing that must hold for the daemon to stop an attack now.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// checkTitles are the checks whose names say nothing to people.
var checkTitles = map[string]string{
	"canary": "test event", "ledger": "records", "effect": "blocks hold", "wire": "SIP packets", "steps": "countermeasures",
	"breaker": "safety limit", "room": "room for blocks",
}

// Title is the check's name for people.
func (c Check) Title() string {
	if title := checkTitles[c.Name]; title != "" {
		return title
	}
	return c.Name
}

// Asterisk is the state of the manager sessions.
type Asterisk struct {
	Version        string     `json:"version"`
	ConnectedSince *time.Time `json:"connected_since"` // null while there is no event session
	Events         uint64     `json:"events"`
	Gaps           uint64     `json:"gaps"` // times that the event session was lost
	LastGap        *Gap       `json:"last_gap"`
	CanaryHeard    *time.Time `json:"canary_heard"` // when a test event last came through
}

// Gap is a period without events from Asterisk.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// InLog says that Asterisk's log, which covers the period as far as it goes
	// back, was readable. Without it, attacks in the period went unseen.
	InLog bool `json:"in_log"`
}

// Firewall is the state of the nftables table, from the kernel.
type Firewall struct {
	Table          string `json:"table"`
	Bans           int    `json:"bans"`
	NetworksClosed int    `json:"networks_closed"` // of the bans: networks whose addresses take turns, closed for SIP and IAX2 over UDP
	FlowsBlocked   int    `json:"flows_blocked"`   // single phones at addresses that others use
	Throttled      int    `json:"throttled"`       // addresses that are throttled, since others use them
	// Closed are the addresses of phones that are closed to what is new there.
	Closed         []incident.PartialBlock `json:"closed,omitempty"`
	PacketsDropped uint64                  `json:"packets_dropped"`
	BytesDropped   uint64                  `json:"bytes_dropped"`
	Repairs        uint64                  `json:"repairs"` // times that it was restored after another program changed it
	// Ports are the UDP ports that every ban closes, in order.
	Ports []Port `json:"udp_ports"`
	// TCPPorts are the TCP ports that a ban of scope "asterisk" closes, too, in order.
	TCPPorts []Port `json:"tcp_ports"`
}

// Port is a port of Asterisk's that bans close.
type Port struct {
	Port uint16 `json:"port"`
	// From are its sources: "sip_ports" or "sip_tcp_ports" of the configuration, and
	// what listens there: "PJSIP", "chan_sip", "IAX2", "HTTP", "AMI".
	From []string `json:"from"`
}

// BanOrder asks for a ban.
type BanOrder struct {
	Prefix netip.Prefix `json:"prefix"`
	For    string       `json:"for"` // a duration as in the configuration, or "forever"
	// Scope is "all", which "" means, too, or "asterisk".
	Scope  incident.Scope `json:"scope,omitempty"`
	Reason string         `json:"reason"`
	Force  bool           `json:"force"` // even if it cuts off the caller
	// Operator is the address from which the caller is logged in; the zero Addr
	// is this machine.
	Operator netip.Addr `json:"operator,omitzero"`
	// Sessions are the addresses of all SSH sessions. The caller may be behind
	// one of them even if the environment does not say so (as after sudo).
	Sessions []netip.Addr `json:"sessions,omitempty"`
}

// UnbanOrder asks for the release of everything about a prefix, of one flow, or of
// everything.
type UnbanOrder struct {
	Prefix  netip.Prefix   `json:"prefix,omitzero"`
	Flow    netip.AddrPort `json:"flow,omitzero"`
	All     bool           `json:"all"`
	Forgive bool           `json:"forgive"` // also clear its score and its offences
}

// AllowOrder adds a prefix or a host name to the allow list or removes it.
type AllowOrder struct {
	Prefix  netip.Prefix `json:"prefix"` // or
	Name    string       `json:"name,omitempty"`
	Remove  bool         `json:"remove"`
	Force   bool         `json:"force,omitempty"` // although it is too wide
	Until   time.Time    `json:"until,omitzero"`  // zero: until it is removed
	Comment string       `json:"comment"`         // beside it in the allow file
	By      string       `json:"by,omitempty"`    // who became the user that gives the order
}

// Allowed is a prefix that is never banned or only on confirmed evidence, or a host name
// whose addresses are treated like known ones.
type Allowed struct {
	Prefix    netip.Prefix `json:"prefix"` // the zero Prefix, "" in JSON, for a host name
	Name      string       `json:"name,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"` // where Name leads
	Origin    string       `json:"origin"`
	Reason    string       `json:"reason"`
	By        string       `json:"by,omitempty"`      // who added it, if that is known
	Until     *time.Time   `json:"until,omitempty"`   // absent: until it is removed
	Force     bool         `json:"force,omitempty"`   // allowed although it is wide
	Ended     bool         `json:"ended,omitempty"`   // Until is over
	Refused   string       `json:"refused,omitempty"` // why it is not in force
}

// InForce reports whether the entry allows anything.
func (a Allowed) InForce() bool { return !a.Ended && a.Refused == "" }

// What is the address, the prefix or the host name.
func (a Allowed) What() string {
	if a.Name != "" {
		return a.Name
	}
	return incident.PrefixText(a.Prefix)
}

// Origins of an allowed prefix.
const (
	FromConfig   = "config"
	FromFile     = "file"
	FromAsterisk = "asterisk"  // address of Asterisk's manager interface
	Learned      = "protected" // Asterisk trusts it; banned on confirmed evidence only
)

// ScoreStatus is how near a source, a network or an account is to a threshold.
type ScoreStatus struct {
	Key     score.Key     `json:"key"`
	Name    string        `json:"name,omitempty"` // of an account's person
	Share   float64       `json:"share"`          // of the nearest threshold, 0 to 1
	Scores  []Score       `json:"scores"`         // one for each threshold of the key's kind
	Last    *time.Time    `json:"last"`           // newest observation that still counts
	Crossed bool          `json:"crossed"`
	Ban     *incident.Ban `json:"ban"` // the ban that covers it
	// Partial are the phones blocked at an address, or those of an account, and whether
	// the address is throttled.
	Partial  []incident.PartialBlock `json:"partial,omitempty"`
	Trust    string                  `json:"trust,omitempty"`  // why it is not banned on spoofable evidence
	Channels int                     `json:"channels"`         // an account's calls that are up
	Held     string                  `json:"held,omitempty"`   // whether an account is locked or limited to networks
	Rotated  *time.Time              `json:"rotated,omitzero"` // when Tollwarden last changed the account's secret
}

// Score is the points towards one threshold.
type Score struct {
	Threshold string `json:"threshold"`
	Points    int    `json:"points"`
	Score     int    `json:"score"` // points at which it is crossed
	Within    string `json:"within"`
	Counts    string `json:"counts,omitempty"` // what each point is, such as "wrong passwords"; absent: several things
}

// AccountOrder names the account of an order.
type AccountOrder struct {
	Account string `json:"account"`
	Expire  bool   `json:"expire"` // after a rotation, also remove its registrations
}

// TrustOrder names an address on probation that is the account's own.
type TrustOrder struct {
	Account string     `json:"account"`
	Address netip.Addr `json:"address"`
}

// AccountDone says what was done to an account.
type AccountDone struct {
	Account  string   `json:"account"`
	Name     string   `json:"name,omitempty"`     // of its person
	Channels []string `json:"channels,omitempty"` // the channels hung up
	Message  string   `json:"message"`
}

// BanChange is one line of a watch over the bans: the change of a ban or of a partial
// block.
type BanChange struct {
	At      time.Time             `json:"at"`
	Change  incident.BanChange    `json:"change"`
	Ban     incident.Ban          `json:"ban,omitzero"`
	Partial incident.PartialBlock `json:"partial,omitzero"`
}

// Changed says what an order changed.
type Changed struct {
	Bans    []incident.Ban          `json:"bans"`              // added or released
	Partial []incident.PartialBlock `json:"partial,omitempty"` // lifted
	Allowed []Allowed               `json:"allowed,omitempty"` // added to the list or removed
	Message string                  `json:"message"`           // the same, for people
}

// History is what records of past calls have taught; a part of it, since a request is
// small.
type History struct {
	Habits []TaughtHabit `json:"habits"`
	Days   []TaughtDay   `json:"days"`
}

// TaughtHabit is a country that an account usually calls, or that it called at all.
type TaughtHabit struct {
	Account string    `json:"account,omitempty"`
	Kind    string    `json:"kind"` // country, call, or history: since when calls are known
	Value   string    `json:"value,omitempty"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// TaughtDay is what an account spent on a place on a day of the past.
type TaughtDay struct {
	Hour     int64   `json:"hour"` // an hour of the day, since 1970
	Account  string  `json:"account"`
	Place    string  `json:"place"`
	Closed   bool    `json:"closed,omitempty"` // outside working hours
	Seconds  float64 `json:"seconds"`
	Calls    int     `json:"calls"`
	Money    int64   `json:"money"` // in millionths of the currency
	Estimate bool    `json:"estimate,omitempty"`
}

// Order is something that must stay in force for an account, or did until lately.
type Order struct {
	Account  string    `json:"account"`
	Order    string    `json:"order"` // "lock", "restrict" or "rotate"
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`   // why it is in that state
	Networks string    `json:"networks,omitempty"` // of a restriction
	Created  time.Time `json:"created"`
	Since    time.Time `json:"since"`              // of the state
	Incident int64     `json:"incident,omitempty"` // that led to it
	Repairs  int       `json:"repairs"`            // within the last hour
}

// Spending is what calls abroad and to costly numbers have used within 24 hours.
type Spending struct {
	Currency string     `json:"currency"`
	List     []Spender  `json:"list"`              // the site, then trunks, then accounts
	Blocked  []Blocking `json:"blocked"`           // whose costly calls are ended
	Learning *time.Time `json:"learning,omitzero"` // until when the first days last, in which hard limits do not apply everywhere
}

// Spender is the site, a trunk or an account.
type Spender struct {
	Kind string `json:"kind"` // site, trunk or account
	Name string `json:"name,omitempty"`
	// Person is the name of an account's person.
	Person string `json:"person,omitempty"`
	Usual  *Spent `json:"usual,omitempty"`  // on places that are usual
	Other  *Spent `json:"others,omitempty"` // on others
}

// Spent is what was used, and the limits.
type Spent struct {
	Calls    int      `json:"calls"`
	Minutes  Measured `json:"minutes"`
	OffHours Measured `json:"off_hours"` // minutes outside working hours
	Money    Measured `json:"money"`     // in whole units
	Estimate bool     `json:"estimate"`  // some of the money is at default rates
}

// Measured is what was used of a limit; a limit of 0 is none.
type Measured struct {
	Used int64  `json:"used"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
	Left *int64 `json:"left,omitempty"` // until the hard limit
}

// Blocking is an account whose costly calls are ended until a time, or, without a name,
// the site.
type Blocking struct {
	Account string    `json:"account,omitempty"`
	Name    string    `json:"name,omitempty"` // of its person
	Until   time.Time `json:"until"`
}
