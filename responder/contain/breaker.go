package contain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/score"
)

// BreakerRule says from how many accounts the daemon may take the use of them, by itself,
// within a time. No accounts are no limit.
type BreakerRule struct {
	Accounts int
	Within   time.Duration
}

// maxBreaker bounds the accounts that a Breaker remembers of each kind.
const maxBreaker = 4096

// Breaker is a circuit breaker for the steps that take the use of an account from its owner
// (incident.StepKind.Takes). Thieves hardly get more accounts at once, and whoever provokes
// break-ins must not bring a whole site to a stop. Accounts beyond the limit wait for a
// person.
type Breaker struct {
	rule    BreakerRule
	taken   map[string]time.Time // when the steps were last carried out, by account
	waiting map[string]Waiting
	resumed time.Time // a person let it go on: what was taken before does not count
}

// Waiting is an account whose steps wait for a person.
type Waiting struct {
	Account string
	Since   time.Time
	Steps   []incident.StepKind
}

// BreakerState is what a Breaker has done and stopped.
type BreakerState struct {
	Rule    BreakerRule
	Taken   []string  // accounts within the time, those first that were first
	Open    bool      // no further account is taken now
	Until   time.Time // when the next one would be, while it is open
	Waiting []Waiting // those first that have waited longest
}

// Configure changes the limit. What was taken so far counts towards the new one.
func (b *Breaker) Configure(rule BreakerRule) { b.rule = rule }

// Stops says whether an account must not be taken now. One that was within the time may be
// again: its owner has lost it already.
func (b *Breaker) Stops(now time.Time, account string) bool {
	return b.rule.Accounts > 0 && !b.counts(now, b.taken[account]) && b.count(now) >= b.rule.Accounts
}

func (b *Breaker) counts(now, at time.Time) bool {
	return !at.IsZero() && now.Sub(at) < b.rule.Within && at.After(b.resumed)
}

func (b *Breaker) count(now time.Time) (n int) {
	for _, at := range b.taken {
		if b.counts(now, at) {
			n++
		}
	}
	return n
}

// Take records that an account is taken from its owner.
func (b *Breaker) Take(now time.Time, account string) {
	if b.taken == nil {
		b.taken = map[string]time.Time{}
	}
	if _, known := b.taken[account]; known || len(b.taken) < maxBreaker {
		b.taken[account] = now
	}
}

// Wait records that steps wait for a person. It returns what is to be kept; changed is false
// if it is known.
func (b *Breaker) Wait(now time.Time, account string, steps []incident.StepKind) (w Waiting, changed bool) {
	w, known := b.waiting[account]
	if !known {
		w = Waiting{Account: account, Since: now}
		if len(b.waiting) >= maxBreaker {
			return w, false
		}
	}
	for _, s := range steps {
		if !slices.Contains(w.Steps, s) {
			w.Steps, changed = append(slices.Clone(w.Steps), s), true
		}
	}
	b.restore(w)
	return w, changed
}

// RestoreWaiting takes over an account that waited in a former run; of the words that
// Waiting.Words gave.
func (b *Breaker) RestoreWaiting(account string, since time.Time, words string) {
	w := Waiting{Account: account, Since: since}
	for name := range strings.FieldsSeq(words) {
		w.Steps = append(w.Steps, incident.StepNamed(name))
	}
	b.restore(w)
}

func (b *Breaker) restore(w Waiting) {
	if b.waiting == nil {
		b.waiting = map[string]Waiting{}
	}
	b.waiting[w.Account] = w
}

// Words are the steps, for RestoreWaiting.
func (w Waiting) Words() string {
	names := make([]string, len(w.Steps))
	for i, s := range w.Steps {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

// Waits says whether an account waits for a person. It allocates nothing.
func (b *Breaker) Waits(account string) bool {
	_, waits := b.waiting[account]
	return waits
}

// EndWait records that an account need not wait any longer, and says whether it did.
func (b *Breaker) EndWait(account string) bool {
	_, waits := b.waiting[account]
	delete(b.waiting, account)
	return waits
}

// Resume lets it go on, as if nothing had been taken until now.
func (b *Breaker) Resume(now time.Time) { b.resumed = now }

// Prune forgets what no longer counts. An account that waits does so until it is dealt with.
func (b *Breaker) Prune(now time.Time) {
	for account, at := range b.taken {
		if now.Sub(at) >= b.rule.Within {
			delete(b.taken, account)
		}
	}
}

// State is what was taken and what waits.
func (b *Breaker) State(now time.Time) BreakerState {
	s := BreakerState{Rule: b.rule}
	for account, at := range b.taken {
		if b.counts(now, at) {
			s.Taken = append(s.Taken, account)
		}
	}
	slices.SortFunc(s.Taken, func(x, y string) int { return cmp.Or(b.taken[x].Compare(b.taken[y]), strings.Compare(x, y)) })
	if s.Open = b.rule.Accounts > 0 && len(s.Taken) >= b.rule.Accounts; s.Open {
		s.Until = b.taken[s.Taken[len(s.Taken)-b.rule.Accounts]].Add(b.rule.Within)
	}
	for _, w := range b.waiting {
		s.Waiting = append(s.Waiting, w)
	}
	slices.SortFunc(s.Waiting, func(x, y Waiting) int {
		return cmp.Or(x.Since.Compare(y.Since), strings.Compare(x.Account, y.Account))
	})
	return s
}

// Why says why an account is not taken now.
func (b *Breaker) Why() string {
	return fmt.Sprintf("%s: %s had a password change or a lock within %s already (breaker.accounts)",
		incident.WaitsForPerson, incident.Count(b.rule.Accounts, "extension"), score.Span(b.rule.Within))
}
