package score

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// BreakInConfig says what counts as a break-in. Zero values mean the defaults.
type BreakInConfig struct {
	Failures int           // of others that make an unknown address's success a break-in; default 4
	Within   time.Duration // how long a failure counts; default 24 hours
	Accounts int           // accounts whose failures are remembered at most; default 65,536
}

func (c BreakInConfig) withDefaults() BreakInConfig {
	c.Failures = cmp.Or(max(c.Failures, 0), 4)
	c.Within = cmp.Or(max(c.Within, 0), 24*time.Hour)
	c.Accounts = cmp.Or(max(c.Accounts, 0), 1<<16)
	return c
}

// Places is what a BreakIn asks and says about the addresses of an account. It
// borrows name.
type Places interface {
	// KnownSource says whether an account is known at an address.
	KnownSource(name []byte, source netip.Prefix, now time.Time) bool
	// Succeed records a success that was no break-in: its address becomes known.
	Succeed(name []byte, source netip.Prefix, at time.Time)
	// MarkThief records that a success was a break-in, and Thief says whether the
	// last one was, and when it was reported.
	MarkThief(name []byte, source netip.Prefix, at time.Time)
	Thief(name []byte, source netip.Prefix) (reported time.Time, thief bool)
}

// BreakIn finds the moment of the break-in: addresses where an account is not
// known have failed for it, then one of them or another succeeds. A user at a
// known address who mistypes is none of that: neither these failures nor these
// successes count. A success that is no break-in makes its address known, and
// what it failed before is forgiven.
//
// An address whose success was a break-in never becomes known until the password
// was changed. It is reported once, and again only when its report is as old as
// Within and failures still are many enough.
//
// BreakIn has no lock: its owner calls it from one goroutine at a time.
type BreakIn struct {
	config   BreakInConfig
	places   Places
	accounts map[string]*list.Element // of *guessed
	order    list.List                // the one that failed last at the back
	buf      accountBuffer
}

// guessed is an account for which unknown addresses failed: the newest
// BreakInConfig.Failures failures, in no order.
type guessed struct {
	name     string
	failures []failure
}

type failure struct {
	source    netip.Prefix
	at        time.Time
	addr      netip.Addr
	port      uint16
	signal    Signal
	transport event.Transport
	proof     Proof
}

// NewBreakIn makes a BreakIn that knows of no failures.
func NewBreakIn(c BreakInConfig, places Places) *BreakIn {
	return &BreakIn{config: c.withDefaults(), places: places, accounts: make(map[string]*list.Element)}
}

// Observe takes failures and successes in; other signals it ignores. When o is
// the success of a break-in it returns the SuccessAfterFailures to be scored:
// o's own source, account and session, Proven as o is when as many failures are
// as make a break-in: otherwise spoofed packets could make a break-in of
// everybody's first login somewhere. The accounts of Asterisk's manager interface
// are kept apart (ManagerAccounts). A SuccessfulAuth must carry the account's name,
// which chan_sip's for an INVITE does not: see Challenges.
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
			b.failed(name, failure{source, o.At, o.Source.Unmap(), o.Port, o.Signal, o.Transport, o.Proof})
		}
		return Observation{}, false
	}
	if !b.brokeIn(name, source, o.At) {
		return Observation{}, false
	}
	return b.derive(name, o), true
}

// Revealed takes that an address knows the password of an account, though it has
// not signed in: o names both. It makes nothing known. When that is a break-in, it
// returns the SuccessAfterFailures to be scored, as Observe does.
func (b *BreakIn) Revealed(o *Observation) (derived Observation, ok bool) {
	name, isAccount := accountName(o, &b.buf)
	source := event.SourcePrefix(o.Source)
	if !isAccount || !source.IsValid() || b.places.KnownSource(name, source, o.At) || b.recent(name, Spoofable, o.At) < b.config.Failures {
		return Observation{}, false
	}
	if reported, thief := b.places.Thief(name, source); thief && o.At.Sub(reported) < b.config.Within {
		return Observation{}, false
	}
	b.places.MarkThief(name, source, o.At)
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

// failed remembers a failure in place of the oldest one, but a proven one in
// place of one that is not.
func (b *BreakIn) failed(name []byte, f failure) {
	a := b.account(name)
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

// weigh compares what two failures are worth at a time: one that still counts
// more than one that does not, a proven one more than a spoofable one, and the
// newer one more.
func (b *BreakIn) weigh(x, y *failure, now time.Time) int {
	rank := func(f *failure) int {
		if now.Sub(f.at) >= b.config.Within {
			return 0
		}
		return 1 + int(f.proof)
	}
	return cmp.Or(cmp.Compare(rank(x), rank(y)), x.at.Compare(y.at))
}

// Failures are the failures that are remembered of an account, the oldest first:
// the evidence of its SuccessAfterFailures.
func (b *BreakIn) Failures(account string) []Record {
	e := b.accounts[account]
	if e == nil {
		return nil
	}
	var records []Record
	for _, f := range e.Value.(*guessed).failures {
		records = append(records, Record{
			At: f.at, Signal: f.signal, Source: f.addr, Port: f.port,
			Transport: f.transport, Proof: f.proof, Account: account,
		})
	}
	slices.SortStableFunc(records, func(x, y Record) int { return x.At.Compare(y.At) })
	return records
}

// brokeIn says whether a success is a break-in, and remembers it.
func (b *BreakIn) brokeIn(name []byte, source netip.Prefix, at time.Time) bool {
	if b.places.KnownSource(name, source, at) {
		b.places.Succeed(name, source, at)
		return false
	}
	reported, thief := b.places.Thief(name, source)
	if thief && at.Sub(reported) < b.config.Within {
		return false // reported already
	}
	if b.recent(name, Spoofable, at) >= b.config.Failures {
		b.places.MarkThief(name, source, at)
		return true
	}
	if thief {
		return false // and not known either
	}
	// Too few failures are recent, so that no older one was displaced and
	// forgetting this address's own loses nothing.
	if e := b.accounts[string(name)]; e != nil {
		a := e.Value.(*guessed)
		a.failures = slices.DeleteFunc(a.failures, func(f failure) bool { return f.source == source })
	}
	b.places.Succeed(name, source, at)
	return false
}

// recent is how many failures count at a time, of those that are proven as well
// as least at least.
func (b *BreakIn) recent(name []byte, least Proof, at time.Time) (n int) {
	e := b.accounts[string(name)]
	if e == nil {
		return 0
	}
	for _, f := range e.Value.(*guessed).failures {
		if f.proof >= least && at.Sub(f.at) < b.config.Within {
			n++
		}
	}
	return n
}

// Guessed says whether failures of an account are remembered.
func (b *BreakIn) Guessed(account string) bool {
	e := b.accounts[account]
	return e != nil && len(e.Value.(*guessed).failures) > 0
}

// Forgive forgets the failures of an account: its password was changed, or a
// person has looked at them.
func (b *BreakIn) Forgive(account string) {
	if e := b.accounts[account]; e != nil {
		delete(b.accounts, account)
		b.order.Remove(e)
	}
}

// Accounts is how many accounts have failures that are remembered.
func (b *BreakIn) Accounts() int { return len(b.accounts) }

// account finds or makes an account and marks it as the one that failed last.
// When there is no room, the one that failed longest ago goes.
func (b *BreakIn) account(name []byte) *guessed {
	if e := b.accounts[string(name)]; e != nil {
		b.order.MoveToBack(e)
		return e.Value.(*guessed)
	}
	if len(b.accounts) >= b.config.Accounts {
		oldest := b.order.Front()
		delete(b.accounts, oldest.Value.(*guessed).name)
		b.order.Remove(oldest)
	}
	a := &guessed{name: string(name)}
	b.accounts[a.name] = b.order.PushBack(a)
	return a
}

// Configure changes what counts as a break-in, and forgets nothing. The capacity
// stays as it was.
func (b *BreakIn) Configure(c BreakInConfig) {
	c.Accounts = b.config.Accounts
	b.config = c.withDefaults()
}
