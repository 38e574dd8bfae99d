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
	Failures int           // failures of strangers that make a stranger's success a break-in; default 4
	Within   time.Duration // how long a failure counts; default 24 hours
	Remember time.Duration // how long after its last success a place is known; default 30 days
	Accounts int           // accounts tracked at most; default 65,536
	Places   int           // known places of one account at most; default 64

	// Learned, if set, is told of every place that becomes known, and about
	// once a day again while it is in use, so that the caller can keep it.
	Learned func(Place)
}

func (c BreakInConfig) withDefaults() BreakInConfig {
	c.Failures = cmp.Or(max(c.Failures, 0), 4)
	c.Within = cmp.Or(max(c.Within, 0), 24*time.Hour)
	c.Remember = cmp.Or(max(c.Remember, 0), 30*24*time.Hour)
	c.Accounts = cmp.Or(max(c.Accounts, 0), 1<<16)
	c.Places = cmp.Or(max(c.Places, 0), 64)
	return c
}

// Place is a source that an account has been used from.
type Place struct {
	Account string       // as in Key.Account
	Source  netip.Prefix // as in Key.Prefix of a source
	At      time.Time    // of its last success
}

// BreakIn finds the moment of the break-in: strangers have failed for an
// account, then a stranger succeeds. A stranger is a source that has not
// succeeded for the account for as long as places are remembered; a user at a
// known place who mistypes is none, and neither his failures nor his successes
// count. A success that is no break-in makes its source a known place, and
// what it failed before is forgiven.
//
// A source whose success was a break-in never becomes a known place, not even
// by Know, until Reset says that the secret was changed. It is reported once,
// and again only when its report is as old as Within and strangers' failures
// still are many enough.
//
// BreakIn has no lock: its owner calls it from one goroutine at a time.
type BreakIn struct {
	config   BreakInConfig
	accounts map[string]*list.Element // of *account
	// The accounts in the order they were last used, the oldest first:
	// those of which only failures are known, which go first, and the others.
	guessed, used list.List
	refused       uint64
	buf           accountBuffer
}

// account is what is remembered of one account.
type account struct {
	name     string
	in       *list.List // guessed or used
	failures []failure  // of strangers, the newest BreakInConfig.Failures of them, in no order
	places   []place    // known ones and thieves', in no order
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

type place struct {
	source netip.Prefix
	last   time.Time // success; of a thief: when it was last reported
	told   time.Time // when Learned was last called
	thief  bool
}

// NewBreakIn makes an empty BreakIn.
func NewBreakIn(c BreakInConfig) *BreakIn {
	return &BreakIn{config: c.withDefaults(), accounts: make(map[string]*list.Element)}
}

// Observe takes failures and successes in; other signals it ignores. When o is
// the success of a break-in it returns the SuccessAfterFailures to be scored:
// o's own source, account and session, Proven as o is when as many failures are as make a break-in: a
// forger could make a break-in of everybody's first login somewhere. The accounts of
// Asterisk's manager interface are kept apart (ManagerAccounts). A SuccessfulAuth must
// carry the account's name, which chan_sip's for an INVITE does not: see
// Challenges.
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
	a := b.account(name, success)
	if a == nil {
		return Observation{}, false
	}
	if !success {
		b.failed(a, failure{source, o.At, o.Source.Unmap(), o.Port, o.Signal, o.Transport, o.Proof})
		return Observation{}, false
	}
	if !b.succeeded(a, source, o.At) {
		return Observation{}, false
	}
	derived = *o
	derived.Signal = SuccessAfterFailures
	if b.recent(a, Proven, o.At) < b.config.Failures {
		derived.Proof = Spoofable
	}
	return derived, true
}

// failed remembers a stranger's failure in place of the oldest one, but what is
// proven in place of what is not.
func (b *BreakIn) failed(a *account, f failure) {
	if p := a.place(f.source); p != nil && !p.thief && b.knows(p, f.at) {
		return
	}
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
// more than one that does not, a proven one more than a claimed one, and the
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

// Failures are the strangers' failures that are remembered of an account, the
// oldest first: the evidence of its SuccessAfterFailures.
func (b *BreakIn) Failures(account string) []Record {
	e := b.accounts[account]
	if e == nil {
		return nil
	}
	var records []Record
	for _, f := range entryOf(e).failures {
		records = append(records, Record{
			At: f.at, Signal: f.signal, Source: f.addr, Port: f.port,
			Transport: f.transport, Proof: f.proof, Account: account,
		})
	}
	slices.SortStableFunc(records, func(x, y Record) int { return x.At.Compare(y.At) })
	return records
}

// succeeded says whether a success is a break-in, and remembers it.
func (b *BreakIn) succeeded(a *account, source netip.Prefix, at time.Time) bool {
	p := a.place(source)
	if p != nil && !p.thief && b.knows(p, at) {
		b.learn(a, p, at)
		return false
	}
	if p != nil && p.thief && at.Sub(p.last) < b.config.Within {
		return false // reported already
	}
	breakIn := b.recent(a, Spoofable, at) >= b.config.Failures
	switch {
	case p == nil:
		p = a.newPlace(source, b.config.Places)
	case p.thief && !breakIn:
		return false // and no known place either
	}
	if breakIn {
		p.thief, p.last = true, at
		return true
	}
	// A success without a break-in: too few failures are recent, so that no
	// older one was displaced and forgetting this source's own loses nothing.
	a.failures = slices.DeleteFunc(a.failures, func(f failure) bool { return f.source == source })
	b.learn(a, p, at)
	return false
}

// recent is how many failures count at a time, of those that are proven as well
// as least at least.
func (b *BreakIn) recent(a *account, least Proof, at time.Time) (n int) {
	for i := range a.failures {
		if f := &a.failures[i]; f.proof >= least && at.Sub(f.at) < b.config.Within {
			n++
		}
	}
	return n
}

// knows says whether a place's last success still counts.
func (b *BreakIn) knows(p *place, at time.Time) bool { return at.Sub(p.last) < b.config.Remember }

func (b *BreakIn) learn(a *account, p *place, at time.Time) {
	if at.After(p.last) {
		p.last = at
	}
	if b.config.Learned != nil && (p.told.IsZero() || p.last.Sub(p.told) >= b.config.Remember/30) {
		p.told = p.last
		b.config.Learned(Place{Account: a.name, Source: p.source, At: p.last})
	}
}

// Know makes a source a known place of an account, as if it had succeeded at
// that time: from the ledger, or for a registration that Asterisk holds at
// start. It changes nothing for a source whose success was a break-in.
func (b *BreakIn) Know(account string, source netip.Addr, at time.Time) {
	prefix := event.SourcePrefix(source)
	if account == "" || len(account) > maxAccount || !prefix.IsValid() {
		return
	}
	a := b.account([]byte(account), true)
	p := a.place(prefix)
	if p == nil {
		p = a.newPlace(prefix, b.config.Places)
		p.last, p.told = at, at
	}
	if !p.thief && at.After(p.last) {
		p.last = at
	}
}

// Knows says whether a source is a known place of an account.
func (b *BreakIn) Knows(account string, source netip.Addr, at time.Time) bool {
	e := b.accounts[account]
	if e == nil {
		return false
	}
	p := entryOf(e).place(event.SourcePrefix(source))
	return p != nil && !p.thief && b.knows(p, at)
}

// Homes are the known places of an account, the one used last first.
func (b *BreakIn) Homes(account string, at time.Time) []Place {
	e := b.accounts[account]
	if e == nil {
		return nil
	}
	var homes []Place
	for _, p := range entryOf(e).places {
		if !p.thief && b.knows(&p, at) {
			homes = append(homes, Place{Account: account, Source: p.source, At: p.last})
		}
	}
	slices.SortStableFunc(homes, func(x, y Place) int { return y.At.Compare(x.At) })
	return homes
}

// Tracks says whether anything is known of an account: a place, or a
// stranger's failure.
func (b *BreakIn) Tracks(account string) bool { return b.accounts[account] != nil }

// Used says whether anybody is known to have succeeded for an account, a thief
// included.
func (b *BreakIn) Used(account string) bool {
	e := b.accounts[account]
	return e != nil && len(entryOf(e).places) > 0
}

// Reset forgets the failures and the break-ins of an account: its secret was
// changed, and whoever succeeds now knows the new one.
func (b *BreakIn) Reset(account string) {
	e := b.accounts[account]
	if e == nil {
		return
	}
	a := entryOf(e)
	a.failures = a.failures[:0]
	a.places = slices.DeleteFunc(a.places, func(p place) bool { return p.thief })
}

// Forgive forgets the strangers' failures of an account: a person has looked at
// them. Who broke in before remains a thief.
func (b *BreakIn) Forgive(account string) {
	if e := b.accounts[account]; e != nil {
		a := entryOf(e)
		a.failures = a.failures[:0]
	}
}

// Accounts is how many accounts are tracked.
func (b *BreakIn) Accounts() int { return len(b.accounts) }

// Refused counts the failures that were not remembered because there were too
// many accounts, all of them in use.
func (b *BreakIn) Refused() uint64 { return b.refused }

// account finds or makes an account and marks it as the one used last. When
// there is no room an account goes that was only guessed at, else, for one
// that succeeded, the one longest not used; a mere failure is refused then.
func (b *BreakIn) account(name []byte, used bool) *account {
	if e := b.accounts[string(name)]; e != nil {
		a := entryOf(e)
		if used && a.in == &b.guessed {
			b.guessed.Remove(e)
			a.in = &b.used
			b.accounts[a.name] = a.in.PushBack(a)
		} else {
			a.in.MoveToBack(e)
		}
		return a
	}
	if len(b.accounts) >= b.config.Accounts {
		from := &b.guessed
		if from.Len() == 0 {
			if !used {
				b.refused++
				return nil
			}
			from = &b.used
		}
		oldest := from.Front()
		delete(b.accounts, entryOf(oldest).name)
		from.Remove(oldest)
	}
	a := &account{name: string(name), in: &b.guessed}
	if used {
		a.in = &b.used
	}
	b.accounts[a.name] = a.in.PushBack(a)
	return a
}

func entryOf(e *list.Element) *account { return e.Value.(*account) }

func (a *account) place(source netip.Prefix) *place {
	for i := range a.places {
		if a.places[i].source == source {
			return &a.places[i]
		}
	}
	return nil
}

// newPlace makes room for a place, at the cost of the one longest not used.
func (a *account) newPlace(source netip.Prefix, most int) *place {
	if len(a.places) < most {
		a.places = append(a.places, place{source: source})
		return &a.places[len(a.places)-1]
	}
	oldest := &a.places[0]
	for i := range a.places {
		if a.places[i].last.Before(oldest.last) {
			oldest = &a.places[i]
		}
	}
	*oldest = place{source: source}
	return oldest
}

// Configure changes what counts as a break-in, and forgets nothing. Learned
// and the capacities stay as they were.
func (b *BreakIn) Configure(c BreakInConfig) {
	c.Accounts, c.Places, c.Learned = b.config.Accounts, b.config.Places, b.config.Learned
	b.config = c.withDefaults()
}
