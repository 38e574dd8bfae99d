package score

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// BreakInConfig defines what counts as a break-in. Zero values mean the defaults.
type BreakInConfig struct {
	Failures int           // failures after which a success from an unknown address is a break-in; default 4
	Within   time.Duration // how long a failure counts; default 24 hours
	Accounts int           // most accounts whose failures are kept; default 65,536
}

func (c BreakInConfig) withDefaults() BreakInConfig {
	c.Failures = cmp.Or(max(c.Failures, 0), 4)
	c.Within = cmp.Or(max(c.Within, 0), 24*time.Hour)
	c.Accounts = cmp.Or(max(c.Accounts, 0), 1<<16)
	return c
}

// Places records the known addresses of accounts. Its methods must not keep name.
type Places interface {
	// KnownSource reports whether an address is known for an account.
	KnownSource(name []byte, source netip.Prefix, now time.Time) bool
	// Succeed records a success that was not a break-in. Its address becomes known.
	Succeed(name []byte, source netip.Prefix, at time.Time)
	// MarkThief records that a success was a break-in. stolen says that it cannot have
	// been the account's owner. Thief reports whether the last success was a break-in,
	// and when it was reported.
	MarkThief(name []byte, source netip.Prefix, at time.Time, stolen bool)
	Thief(name []byte, source netip.Prefix) (reported time.Time, thief bool)
	// Stolen reports whether somebody other than its owner had the account's password
	// lately.
	Stolen(name []byte, now time.Time) bool
}

// BreakIn detects break-ins: unknown addresses fail to log in to an account, then one
// of them, or another unknown address, succeeds. A known address never causes a
// break-in: neither its failures nor its successes count. A success that is not a
// break-in makes its address known and clears the failures from that address.
//
// After a break-in, the address does not become known until the password is changed.
// The break-in is reported once, and again only if the report is older than Within
// and there are still enough failures. While the password is known to be stolen, the
// success of another unknown address is a break-in without any failure.
//
// BreakIn has no lock: its owner calls it from one goroutine at a time.
type BreakIn struct {
	config   BreakInConfig
	places   Places
	accounts map[string]*list.Element // of *accountFailures
	order    list.List                // by last failure, the newest at the back
	buf      accountBuffer
}

// accountFailures holds the newest BreakInConfig.Failures failures of unknown
// addresses for an account, in no order.
type accountFailures struct {
	name     string
	failures []failedLogin
	first    failedLogin // the first of those counted, which may not be among them
	counted  int
}

// tally counts a failure, from anew when the first one is too old to count.
func (a *accountFailures) tally(f *failedLogin, within time.Duration) {
	if a.counted == 0 || f.at.Sub(a.first.at) >= within {
		a.first, a.counted = *f, 0
	}
	if f.at.Before(a.first.at) {
		a.first = *f
	}
	a.counted++
}

type failedLogin struct {
	source    netip.Prefix
	at        time.Time
	addr      netip.Addr
	port      uint16
	signal    Signal
	transport event.Transport
	proof     Proof
}

// NewBreakIn returns a BreakIn without failures.
func NewBreakIn(c BreakInConfig, places Places) *BreakIn {
	return &BreakIn{config: c.withDefaults(), places: places, accounts: make(map[string]*list.Element)}
}

// Observe records failures and successes and ignores other signals. If o is the
// success of a break-in, Observe returns the SuccessAfterFailures to score, with the
// source, account and session of o. It is Proven if o is and if enough failures are;
// otherwise spoofed packets could turn anybody's first login from a new address into
// a break-in. The accounts of Asterisk's manager interface are separate
// (ManagerAccounts). A SuccessfulAuth must contain the account name, which chan_sip's
// for an INVITE does not: see Challenges.
func (b *BreakIn) Observe(o *Observation) (derived Observation, ok bool) {
	success := o.Signal == SuccessfulAuth
	if !success && !o.Signal.Failure() {
		return Observation{}, false
	}
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() {
		return Observation{}, false
	}
	if !success {
		if !b.places.KnownSource(name, source, o.At) {
			b.failed(name, failedLogin{source, o.At, o.Source.Unmap(), o.Port, o.Signal, o.Transport, o.Proof})
		}
		return Observation{}, false
	}
	if !b.brokeIn(name, source, o.At) {
		return Observation{}, false
	}
	return b.derive(name, o), true
}

// Revealed takes that an address knows the password of an account, though it has
// not signed in: o names both. stolen says that this cannot be the account's own
// phone; otherwise it takes enough failures. Revealed makes nothing known. When that
// is a break-in, it returns the SuccessAfterFailures to be scored, as Observe does.
func (b *BreakIn) Revealed(o *Observation, stolen bool) (derived Observation, ok bool) {
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() || b.places.KnownSource(name, source, o.At) || !stolen && b.recent(name, Spoofable, o.At) < b.config.Failures {
		return Observation{}, false
	}
	if reported, thief := b.places.Thief(name, source); thief && o.At.Sub(reported) < b.config.Within {
		return Observation{}, false
	}
	b.places.MarkThief(name, source, o.At, stolen || b.guessedBy(name, source, o.At))
	return b.derive(name, o), true
}

// derive makes the SuccessAfterFailures of a success.
func (b *BreakIn) derive(name []byte, o *Observation) Observation {
	derived := *o
	derived.Signal = SuccessAfterFailures
	if b.recent(name, Proven, o.At) < b.config.Failures {
		derived.Proof = Spoofable
	}
	return derived
}

// failed adds a failure. If there is no room, it replaces the least valuable one.
func (b *BreakIn) failed(name []byte, f failedLogin) {
	a := b.failuresOf(name)
	a.tally(&f, b.config.Within)
	if len(a.failures) < b.config.Failures {
		a.failures = append(a.failures, f)
		return
	}
	least := &a.failures[0]
	for i := range a.failures {
		if b.weigh(&a.failures[i], least, f.at) < 0 {
			least = &a.failures[i]
		}
	}
	if b.weigh(least, &f, f.at) < 0 {
		*least = f
	}
}

// recount counts the failures that are kept.
func (a *accountFailures) recount() {
	a.counted = len(a.failures)
	for i := range a.failures {
		if f := &a.failures[i]; i == 0 || f.at.Before(a.first.at) {
			a.first = *f
		}
	}
}

// weigh compares the value of two failures: one that still counts is worth more than
// an expired one, a proven one more than a spoofable one, a newer one more than an
// older one.
func (b *BreakIn) weigh(x, y *failedLogin, now time.Time) int {
	rank := func(f *failedLogin) int {
		if now.Sub(f.at) >= b.config.Within {
			return 0
		}
		return 1 + int(f.proof)
	}
	return cmp.Or(cmp.Compare(rank(x), rank(y)), x.at.Compare(y.at))
}

// Failures returns the failures kept for an account, the oldest first, and before them
// the first one that was counted. They are the evidence for its SuccessAfterFailures.
func (b *BreakIn) Failures(account string) []Record {
	e := b.accounts[account]
	if e == nil {
		return nil
	}
	a := e.Value.(*accountFailures)
	kept := a.failures
	if a.counted > 0 && !slices.Contains(kept, a.first) {
		kept = append([]failedLogin{a.first}, kept...)
	}
	var records []Record
	for _, f := range kept {
		records = append(records, Record{
			At: f.at, Signal: f.signal, Source: f.addr, Port: f.port,
			Transport: f.transport, Proof: f.proof, Account: account,
		})
	}
	slices.SortStableFunc(records, func(x, y Record) int { return x.At.Compare(y.At) })
	return records
}

// Counted is how many failures an account has had since the first of Failures.
func (b *BreakIn) Counted(account string) int {
	if e := b.accounts[account]; e != nil {
		return e.Value.(*accountFailures).counted
	}
	return 0
}

// brokeIn records a success and returns whether it is a break-in.
func (b *BreakIn) brokeIn(name []byte, source netip.Prefix, at time.Time) bool {
	if b.places.KnownSource(name, source, at) {
		b.places.Succeed(name, source, at)
		return false
	}
	reported, thief := b.places.Thief(name, source)
	if thief && at.Sub(reported) < b.config.Within {
		return false // reported already
	}
	if b.recent(name, Spoofable, at) >= b.config.Failures || !thief && b.places.Stolen(name, at) {
		b.places.MarkThief(name, source, at, b.guessedBy(name, source, at))
		return true
	}
	if thief {
		return false // but the address stays unknown
	}
	// There are few recent failures, so none was displaced, and removing those of
	// this address loses nothing.
	if e := b.accounts[string(name)]; e != nil {
		a := e.Value.(*accountFailures)
		was := len(a.failures)
		a.failures = slices.DeleteFunc(a.failures, func(f failedLogin) bool { return f.source == source })
		if a.counted -= was - len(a.failures); a.first.source == source {
			a.recount()
		}
	}
	b.places.Succeed(name, source, at)
	return false
}

// recent returns the number of failures that count at a time and have at least the
// proof least.
func (b *BreakIn) recent(name []byte, least Proof, at time.Time) (n int) {
	e := b.accounts[string(name)]
	if e == nil {
		return 0
	}
	for _, f := range e.Value.(*accountFailures).failures {
		if f.proof >= least && at.Sub(f.at) < b.config.Within {
			n++
		}
	}
	return n
}

// guessedBy reports whether an address has itself failed so often that it cannot be
// the owner's. The failures of others say nothing about an owner who travels.
func (b *BreakIn) guessedBy(name []byte, source netip.Prefix, at time.Time) bool {
	e, n := b.accounts[string(name)], 0
	if e == nil {
		return false
	}
	for _, f := range e.Value.(*accountFailures).failures {
		if f.source == source && at.Sub(f.at) < b.config.Within {
			n++
		}
	}
	return n >= b.config.Failures
}

// HasFailures reports whether failures are kept for an account.
func (b *BreakIn) HasFailures(account string) bool {
	e := b.accounts[account]
	return e != nil && len(e.Value.(*accountFailures).failures) > 0
}

// ClearFailures removes the failures of an account, after its password was changed or
// an operator has reviewed them.
func (b *BreakIn) ClearFailures(account string) {
	if e := b.accounts[account]; e != nil {
		delete(b.accounts, account)
		b.order.Remove(e)
	}
}

// Accounts returns the number of accounts with failures.
func (b *BreakIn) Accounts() int { return len(b.accounts) }

// failuresOf returns the failures of an account, creating them if needed, and moves them
// to the back of order. If there is no room, it drops the account whose last failure
// is the oldest.
func (b *BreakIn) failuresOf(name []byte) *accountFailures {
	if e := b.accounts[string(name)]; e != nil {
		b.order.MoveToBack(e)
		return e.Value.(*accountFailures)
	}
	if len(b.accounts) >= b.config.Accounts {
		oldest := b.order.Front()
		delete(b.accounts, oldest.Value.(*accountFailures).name)
		b.order.Remove(oldest)
	}
	a := &accountFailures{name: string(name)}
	b.accounts[a.name] = b.order.PushBack(a)
	return a
}

// Configure changes what counts as a break-in and keeps all failures. It does not
// change the capacity.
func (b *BreakIn) Configure(c BreakInConfig) {
	c.Accounts = b.config.Accounts
	b.config = c.withDefaults()
}
