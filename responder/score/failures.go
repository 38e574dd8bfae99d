package score

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// accountFailures holds the failures of unknown addresses for an account, by address,
// in no order. It is bounded: a further address takes the place of the one whose
// failures say least.
type accountFailures struct {
	name     string
	guessers []guesser
	first    Record // the first of those counted, which may no longer be kept
	counted  int
}

// tally counts a failure, from anew when the first one is too old to count.
func (a *accountFailures) tally(f *failedLogin, within time.Duration) {
	if a.counted == 0 || f.at.Sub(a.first.At) >= within {
		a.first, a.counted = f.record(a.name), 0
	}
	if f.at.Before(a.first.At) {
		a.first = f.record(a.name)
	}
	a.counted++
}

// recount counts the failures that are kept.
func (a *accountFailures) recount() {
	a.counted = 0
	for _, g := range a.guessers {
		a.counted += len(g.failures)
		for i := range g.failures {
			if f := &g.failures[i]; i == 0 && a.counted == len(g.failures) || f.at.Before(a.first.At) {
				a.first = f.record(a.name)
			}
		}
	}
}

// guesser holds the newest BreakInConfig.Failures failures of one address, in no
// order.
type guesser struct {
	source   netip.Prefix
	failures []failedLogin
}

type failedLogin struct {
	at        time.Time
	addr      netip.Addr
	port      uint16
	signal    Signal
	transport event.Transport
	proof     Proof
}

func (f *failedLogin) record(account string) Record {
	return Record{At: f.at, Signal: f.signal, Source: f.addr, Port: f.port, Transport: f.transport, Proof: f.proof, Account: account}
}

// minGuessers is for how many addresses failures for an account are kept at least.
// As many others have to fail for certain, as often as makes a break-in, to hide one.
const minGuessers = 16

// failed adds a failure. If there is no room, it replaces the least valuable one.
func (b *BreakIn) failed(name []byte, source netip.Prefix, o *Observation) {
	f := failedLogin{o.At, o.Source.Unmap(), o.Port, o.Signal, o.Transport, o.Proof}
	a := b.failuresOf(name)
	a.tally(&f, b.config.Within)
	g := a.guesser(source)
	if g == nil {
		if g = b.newGuesser(a, source, &f); g == nil {
			return
		}
	}
	if len(g.failures) < b.config.Failures {
		g.failures = append(g.failures, f)
		return
	}
	least := &g.failures[0]
	for i := range g.failures {
		if b.weigh(&g.failures[i], least, f.at) < 0 {
			least = &g.failures[i]
		}
	}
	if b.weigh(least, &f, f.at) < 0 {
		*least = f
	}
}

// newGuesser makes room for another address; nil if its failure is worth less than
// those that are kept.
func (b *BreakIn) newGuesser(a *accountFailures, source netip.Prefix, f *failedLogin) *guesser {
	if len(a.guessers) < max(minGuessers, b.config.Failures) {
		a.guessers = append(a.guessers, guesser{source: source})
		return &a.guessers[len(a.guessers)-1]
	}
	least := &a.guessers[0]
	worth := least.worth(f.at, b.config.Within)
	for i := range a.guessers[1:] {
		g := &a.guessers[i+1]
		if w := g.worth(f.at, b.config.Within); w.compare(worth) < 0 {
			least, worth = g, w
		}
	}
	if worth.proven > 0 && f.proof != Proven {
		return nil
	}
	*least = guesser{source: source, failures: least.failures[:0]}
	return least
}

// worth is how much the failures of an address say.
type worth struct {
	proven, all int // that still count
	last        time.Time
}

func (w worth) compare(x worth) int {
	return cmp.Or(cmp.Compare(w.proven, x.proven), cmp.Compare(w.all, x.all), w.last.Compare(x.last))
}

func (g *guesser) worth(now time.Time, within time.Duration) (w worth) {
	for i := range g.failures {
		f := &g.failures[i]
		if now.Sub(f.at) >= within {
			continue
		}
		w.all++
		w.proven += int(f.proof)
		if f.at.After(w.last) {
			w.last = f.at
		}
	}
	return w
}

// recent counts the failures that have at least the proof least and still count.
func (g *guesser) recent(least Proof, now time.Time, within time.Duration) (n int) {
	for i := range g.failures {
		if f := &g.failures[i]; f.proof >= least && now.Sub(f.at) < within {
			n++
		}
	}
	return n
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

func (a *accountFailures) guesser(source netip.Prefix) *guesser {
	for i := range a.guessers {
		if a.guessers[i].source == source {
			return &a.guessers[i]
		}
	}
	return nil
}

func (b *BreakIn) guessersOf(name []byte) []guesser {
	e := b.accounts[string(name)]
	if e == nil {
		return nil
	}
	return e.Value.(*accountFailures).guessers
}

// recent counts the failures of all unknown addresses for an account that still count.
func (b *BreakIn) recent(name []byte, at time.Time) (n int) {
	for _, g := range b.guessersOf(name) {
		n += g.recent(Spoofable, at, b.config.Within)
	}
	return n
}

// forgive removes the failures of an address for an account.
func (b *BreakIn) forgive(name []byte, source netip.Prefix) {
	if e := b.accounts[string(name)]; e != nil {
		a := e.Value.(*accountFailures)
		if g := a.guesser(source); g != nil {
			a.counted -= len(g.failures)
		}
		a.guessers = slices.DeleteFunc(a.guessers, func(g guesser) bool { return g.source == source })
		if event.SourcePrefix(a.first.Source) == source {
			a.recount()
		}
	}
}

// Failures returns the failures kept for an account, the oldest first, and before them
// the first one that was counted. They are the evidence for its SuccessAfterFailures and
// NewPlaceAfterFailures.
func (b *BreakIn) Failures(account string) []Record {
	e := b.accounts[account]
	if e == nil {
		return nil
	}
	a := e.Value.(*accountFailures)
	var records []Record
	for _, g := range a.guessers {
		for i := range g.failures {
			records = append(records, g.failures[i].record(account))
		}
	}
	if a.counted > 0 && !slices.Contains(records, a.first) {
		records = append(records, a.first)
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

// HasFailures reports whether failures are kept for an account.
func (b *BreakIn) HasFailures(account string) bool {
	return slices.ContainsFunc(b.guessersOf([]byte(account)), func(g guesser) bool { return len(g.failures) > 0 })
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
