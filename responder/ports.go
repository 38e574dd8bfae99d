package responder

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// Firewall is what the responder needs of the kernel. Calls may come from any
// goroutine.
type Firewall interface {
	// Ban drops the prefixes until their times, all of them or none; a prefix
	// already dropped gets the new time.
	Ban(now time.Time, bans []Ban) error
	// Release lets the prefixes through again; one not dropped is fine.
	Release(prefixes ...netip.Prefix) error
	// Include drops the prefixes until their times beside those already dropped,
	// without a gap, in batches when they are many.
	Include(now time.Time, bans []Ban) error
	// Complete says that every ban there is was included: what else is dropped
	// and not listed by Bans need not be.
	Complete(now time.Time) error
	// Restore makes exactly these the bans in force, without a gap for those
	// that already are.
	Restore(now time.Time, bans []Ban) error
	// Bans are the prefixes dropped now and their times.
	Bans(now time.Time) []Ban
	// Allow replaces the list of what is let through whatever is banned.
	Allow(prefixes []netip.Prefix) error
}

// Watch is what the responder needs of the kernel about single conversations.
// Calls may come from any goroutine.
type Watch interface {
	// DropFlow drops SIP over UDP of one address and port, for that time.
	DropFlow(within time.Duration, flow netip.AddrPort) error
}

// PBX is what the responder does to Asterisk. Calls may come from any
// goroutine, wait for a connection as long as ctx allows, and have verified
// with Asterisk what they report.
type PBX interface {
	// Hangup ends every channel of the account and names those it ended.
	Hangup(ctx context.Context, account string) (channels []string, err error)
	// HangupChannel ends one channel; ended is false when there was none of that
	// name any more.
	HangupChannel(ctx context.Context, channel string) (ended bool, err error)
	// Whence is where the call of a channel comes from.
	Whence(ctx context.Context, channel string) (netip.AddrPort, error)
	// Agent is the User-Agent that the call of a channel was set up with; "" when
	// it named none.
	Agent(ctx context.Context, channel string) (string, error)
	// Rotate gives the account another secret; detail says how and where it
	// is kept, never what it is.
	Rotate(ctx context.Context, account string) (detail string, err error)
	// Lock takes the account's calls away until Unlock; was is what Unlock needs
	// to know, "" when it was locked before. No such account is an ErrRefused.
	Lock(ctx context.Context, account string) (was, detail string, err error)
	Unlock(ctx context.Context, account, was string) (detail string, err error)
	// Restrict lets the account be used from these networks alone, until Lift;
	// restricted to them already is fine.
	Restrict(ctx context.Context, account string, to []netip.Prefix) (detail string, err error)
	// Lift takes away what Restrict added, and nothing else.
	Lift(ctx context.Context, account string, to []netip.Prefix) (detail string, err error)
	// ExpireContacts throws out the account's registrations; detail is what was
	// done, also beside an error, and which contacts cannot be thrown out.
	ExpireContacts(ctx context.Context, account string) (detail string, err error)
	// Contacts are the registrations Asterisk holds.
	Contacts(ctx context.Context) ([]Contact, error)
	// Trusted are whom Asterisk's configuration speaks to: carriers, other
	// PBXs. An error beside a list tells why it is not complete.
	Trusted(ctx context.Context) ([]Protected, error)
	// Accounts are those that Asterisk knows.
	Accounts(ctx context.Context) ([]calls.Account, error)
	// Channels are the channels that are up.
	Channels(ctx context.Context) ([]calls.Channel, error)
}

// Contact is one registration that Asterisk holds.
type Contact struct {
	Account string
	Source  netip.Addr // where the registration came from, not what it claims
	Port    uint16     // of the source
	Agent   string     // what the phone calls itself
}

// Teller passes incidents on to somebody outside.
type Teller interface {
	// Tell queues one incident, which is the Teller's from then on, and does not
	// wait. report is called from any goroutine with what came of it: Intended
	// any number of times, then Done or Failed once, unless the Teller ends
	// before.
	Tell(i *Incident, report func(state State, detail string))
}

// Ban is one prefix dropped, and why.
type Ban struct {
	Prefix   netip.Prefix
	Since    time.Time
	Until    time.Time // zero: until a person releases it
	Reason   string
	Origin   string // name of the threshold, OriginOperator or OriginKernel
	Offence  int    // which offence of the source this is; 0 when nobody counted
	Incident int64  // 0: none
	Scope    Scope  // what is dropped; "" is ScopeAll
	// Observed is a ban that mode observe decided and nobody carried out.
	Observed bool

	step int // its number in the incident, or stepUnknown
}

// stepUnknown is of a ban that the ledger remembers: it knows the incident alone.
const stepUnknown = -1

// Scope is the part of a source's traffic that a ban is about.
type Scope string

// ScopeAll drops everything. ScopeSIP closes only the SIP ports, over UDP: the
// source is one that forged packets may have named. ScopeBrief drops everything
// for as short a time: the source was named over a connection, whose other end
// can make it up with chan_sip (see event.Event.Proven), and which the SIP ports
// over UDP would not end.
const (
	ScopeAll   Scope = "all"
	ScopeSIP   Scope = "sip"
	ScopeBrief Scope = "brief"
)

// Claimed says whether the ban rests on what forged packets can have brought
// about.
func (b Ban) Claimed() bool { return b.Scope == ScopeSIP || b.Scope == ScopeBrief }

// Origins of a ban that no threshold decided.
const (
	OriginOperator = "operator"
	OriginKernel   = "kernel" // found in the kernel at start, with no record of ours
)

// Forever says whether only a person ends this ban.
func (b Ban) Forever() bool { return b.Until.IsZero() }

// InForce says whether the ban still has time left.
func (b Ban) InForce(now time.Time) bool { return b.Until.IsZero() || now.Before(b.Until) }

// BanChange is what became of a ban.
type BanChange string

// A ban comes into force, is released before its time, or runs out; the last
// is noticed within a minute.
const (
	Banned   BanChange = "banned"
	Released BanChange = "released"
	Ended    BanChange = "ended"
)
