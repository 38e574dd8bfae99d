package incident

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Ban is one prefix that is dropped, and why.
type Ban struct {
	Prefix  netip.Prefix `json:"prefix"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until"`   // zero, and null in JSON: until a person releases it
	Scope   Scope        `json:"scope"`   // what is dropped; "" is ScopeAll
	Reason  string       `json:"reason"`  // in words
	Origin  string       `json:"origin"`  // name of the threshold, OriginOperator or OriginKernel
	Offence int          `json:"offence"` // which offence of the address this answers, from 1; 0 when none was counted
	// Repeat is how many times in a row the prefix is banned on evidence that may
	// be spoofed, from 1; 0 where that is not counted: such a ban is no offence.
	Repeat int `json:"repeat"`
	// Packets were dropped since the kernel was last given this ban: a change of
	// its time or a repair of the table begins anew. It is nil where nobody
	// counts: with firewall.counters off, in mode observe, in anything but the
	// list of the bans, and there beyond the newest 100,000.
	Packets *uint64 `json:"packets"`

	Incident int64 `json:"-"` // 0: none
	Step     int   `json:"-"` // its number in the incident, StepUnknown or StepUnlisted
	// Began is when the first of bans in a row began that are one incident; zero: with
	// this one.
	Began time.Time `json:"-"`
	// Observed is a ban that mode observe decided and that was not carried out.
	Observed bool `json:"observed,omitempty"`
}

// StepUnknown is the Step of a ban that the ledger remembers: it knows only the
// incident.
const StepUnknown = -1

// StepUnlisted is the Step of a ban that its incident counts but does not list.
const StepUnlisted = -2

// Scope is the part of an address's traffic that a ban drops.
type Scope string

// ScopeAll drops everything. ScopeAsterisk closes Asterisk's ports over UDP and TCP, of
// its manager interface and HTTP server, too: the address is proven, but may be that of
// an administrator who mistyped and needs SSH. ScopeSIP closes only Asterisk's ports for
// SIP and IAX2 over UDP: the address may be spoofed. ScopeBrief drops everything for a
// short time: the address was named over a connection, whose other end can make
// it up with chan_sip (see event.Event.Proven), and which closing these ports would
// not end; or closing them had no effect.
const (
	ScopeAll      Scope = "all"
	ScopeAsterisk Scope = "asterisk"
	ScopeSIP      Scope = "sip"
	ScopeBrief    Scope = "brief"
)

// Everything says whether the scope is all traffic of an address.
func (s Scope) Everything() bool { return s != ScopeAsterisk && s != ScopeSIP }

// Wider says whether the scope drops more than another one.
func (s Scope) Wider(than Scope) bool { return s.width() > than.width() }

func (s Scope) width() int {
	switch s {
	case ScopeSIP:
		return 0
	case ScopeAsterisk:
		return 1
	}
	return 2
}

// Words say what is dropped.
func (s Scope) Words() string {
	switch s {
	case ScopeSIP:
		return "SIP and IAX2 over UDP"
	case ScopeAsterisk:
		return "Asterisk's ports"
	}
	return "everything"
}

// Origins of a ban that no threshold decided.
const (
	OriginOperator = "operator"
	OriginKernel   = "kernel" // found in the kernel at start, without a record of ours
)

// Spoofable says whether spoofed packets can have brought the ban about.
func (b Ban) Spoofable() bool { return b.Scope == ScopeSIP || b.Scope == ScopeBrief }

// Network says whether the ban covers more than one source: more than an IPv4
// address or an IPv6 /64.
func (b Ban) Network() bool {
	bits := b.Prefix.Bits()
	return bits >= 0 && bits < 64 && (b.Prefix.Addr().Is6() || bits < 32)
}

// Rung says in words how many times its prefix was banned: "2nd time", or "may be spoofed,
// 2nd time in a row"; "" where nothing is counted.
func (b Ban) Rung() string {
	switch {
	case b.Offence > 0:
		return Ordinal(b.Offence) + " time"
	case b.Repeat > 0:
		return "may be spoofed, " + Ordinal(b.Repeat) + " time in a row"
	case b.Spoofable():
		return "may be spoofed"
	}
	return ""
}

// Forever says whether only a person ends this ban.
func (b Ban) Forever() bool { return b.Until.IsZero() }

// InForce says whether the ban has time left.
func (b Ban) InForce(now time.Time) bool { return b.Until.IsZero() || now.Before(b.Until) }

// AsteriskOnly is what UntilText says of ScopeAsterisk.
const AsteriskOnly = " (Asterisk's ports only; SSH and everything else stays open)"

// UntilText says in words until when the ban lasts, and what it leaves open.
func (b Ban) UntilText() string {
	scope := ""
	switch b.Scope {
	case ScopeAsterisk:
		scope = AsteriskOnly
	case ScopeSIP:
		scope = " (SIP and IAX2 over UDP only: " + b.suspicion() + ")"
	case ScopeBrief:
		scope = " (for a short time: the address may be made up)"
	}
	if b.Forever() {
		return "until released" + scope
	}
	return "until " + TimeText(b.Until) + scope
}

// TimeText writes a time as the records do, in UTC.
func TimeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// suspicion is why a ban of scope SIP closes no more.
func (b Ban) suspicion() string {
	why := "the address may be spoofed"
	if b.Network() {
		why = "its addresses take turns and may be spoofed"
	}
	if b.Repeat > 1 {
		why += "; " + Ordinal(b.Repeat) + " time"
	}
	return why
}

// MarshalJSON writes the end of a ban without one as null, and always a scope.
func (b Ban) MarshalJSON() ([]byte, error) {
	if b.Scope == "" {
		b.Scope = ScopeAll
	}
	return marshal(struct {
		Prefix  netip.Prefix `json:"prefix"`
		Since   time.Time    `json:"since"`
		Until   *time.Time   `json:"until"`
		Scope   Scope        `json:"scope"`
		Reason  string       `json:"reason"`
		Origin  string       `json:"origin"`
		Offence int          `json:"offence"`
		Repeat  int          `json:"repeat"`
		Packets *uint64      `json:"packets"`
		// Observed is left out of a ban that is in force.
		Observed bool `json:"observed,omitempty"`
	}{b.Prefix, b.Since, SomeTime(b.Until), b.Scope, b.Reason, b.Origin, b.Offence, b.Repeat, b.Packets, b.Observed})
}

// BanChange is what became of a ban.
type BanChange string

// A ban comes into force, is released before its time, or runs out; the last
// is noticed within a minute.
const (
	Banned   BanChange = "banned"
	Released BanChange = "released"
	Ended    BanChange = "ended"
)

// PrefixText writes a prefix of one address as the address alone, as people
// know it.
func PrefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// PrefixesText writes prefixes with spaces between them.
func PrefixesText(list []netip.Prefix) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.String()
	}
	return strings.Join(words, " ")
}

// ParsePrefix reads what PrefixText writes.
func ParsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("prefix %q: %w", s, err)
		}
		return p, nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("address %q: %w", s, err)
	}
	return addr.Prefix(addr.BitLen())
}
