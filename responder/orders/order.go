// Package orders keeps what was ordered about accounts in force: locks, restrictions and
// changed passwords. Other programs write Asterisk's files, too: a generator, a restored
// backup, another tool.
//
// Everything here is pure: it compares what Asterisk has in force with what it should have,
// and says what to do. contain.Keeper does it.
package orders

import (
	"slices"
	"time"
)

// Kind is what was ordered.
type Kind string

// The kinds of orders.
const (
	Lock     Kind = "lock"
	Restrict Kind = "restrict"
	Rotate   Kind = "rotate"
)

// State is what became of an order.
type State string

// The states of an order. A person ends it by unlocking the account, by rotating its
// password, or by changing the password elsewhere.
const (
	InForce State = "in force"
	Pending State = "being put back"
	// CannotPutBack is one that failed for lack of space, rights or a database, or because
	// a generator owns the file. It is tried again until it holds or a person ends it.
	CannotPutBack State = "cannot be put back"
	// GaveUp is one that did not hold after MaxRepairs: another program fights it.
	GaveUp State = "gave up"
	Ended  State = "ended by a person"
	Gone   State = "account gone"
)

// Broken says whether what was ordered is not in force and needs a person.
func (s State) Broken() bool { return s == CannotPutBack || s == GaveUp }

// Over says whether an order no longer stands.
func (s State) Over() bool { return s == Ended || s == Gone }

const (
	// MaxRepairs are the repairs of one order within RepairWindow. Each reloads a part of
	// Asterisk, which has had deadlocks on reload.
	MaxRepairs   = 3
	RepairWindow = time.Hour
	// goneFor is how long an account must be missing: during a reload it may be for a moment.
	goneFor = 30 * time.Second
	// retryAfter and retryAtMost are the pauses between attempts that change nothing in
	// Asterisk: they double. The first is short, since another program may have been writing
	// the same files; after an attempt that reloaded Asterisk it is retryReloaded.
	retryAfter, retryReloaded, retryAtMost = 10 * time.Second, time.Minute, 10 * time.Minute
	// settleFor is how long after an order or a repair nothing is concluded from what
	// Asterisk has: it may be reading it.
	settleFor = 200 * time.Millisecond
)

// Order is one thing that must stay in force for an account.
type Order struct {
	Account  string
	Kind     Kind
	State    State
	Reason   string // why it is in that state; never a secret
	Created  time.Time
	Since    time.Time // of State
	Incident int64     // that led to it; 0: a person did
	// Networks are those of a restriction, as incident.PrefixesText writes them.
	Networks string
	// New is the password that was set, and Old what it replaced. Without New, the password
	// could not be changed yet. An account may have several, one for each technology.
	New, Old []Fingerprint
	// Repairs are those within RepairWindow.
	Repairs []time.Time

	touched  time.Time // when we last changed something in Asterisk
	failed   time.Time // the last attempt that failed
	attempts int       // that failed in a row
	reloaded bool      // the last of them reloaded Asterisk
	missing  time.Time // since when the account is gone
	held     time.Time // when it was last seen in force
	unread   bool      // New was set, and could not be read yet
}

// Key names the order of an account: there is one of each kind.
type Key struct {
	Account string
	Kind    Kind
}

// Key is what names the order.
func (o *Order) Key() Key { return Key{o.Account, o.Kind} }

// New is an order as of now, in force unless err says that it failed.
func New(now time.Time, account string, kind Kind, incident int64, err error) *Order {
	o := &Order{Account: account, Kind: kind, State: InForce, Created: now, Since: now, Incident: incident, touched: now}
	if err != nil {
		o.Failed(now, err)
	}
	return o
}

// Settling says whether too little time has passed since a change of ours to tell what holds.
func (o *Order) Settling(now time.Time) bool { return now.Sub(o.touched) < settleFor }

// Certain is when the order was last known to be in force.
func (o *Order) Certain() time.Time {
	if o.held.After(o.Created) {
		return o.held
	}
	return o.Created
}

func (o *Order) set(now time.Time, s State, reason string) {
	if o.State != s {
		o.State, o.Since = s, now
	}
	o.Reason = reason
}

// recent are the repairs that still count.
func (o *Order) recent(now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(o.Repairs), func(at time.Time) bool {
		return now.Sub(at).Abs() >= RepairWindow // also after the clock was set back
	})
}

// Replace adds passwords that the account must never have again. It keeps the newest. One of
// ours among them counts as ours no longer: it was stolen, too.
func (o *Order) Replace(old []Fingerprint, most int) {
	if len(old) > 0 {
		o.New, o.unread = without(o.New, old), false
	}
	for _, f := range old {
		if !slices.Contains(o.Old, f) {
			o.Old = append(o.Old, f)
		}
	}
	if n := len(o.Old); n > most {
		o.Old = slices.Clone(o.Old[n-most:])
	}
}

// Set takes the passwords that the account has now, by our doing. Old ones among them are
// none of ours: another program was faster. Without any, the next reading counts, if it
// shows none of the old ones.
func (o *Order) Set(now []Fingerprint) {
	o.New = without(now, o.Old)
	o.unread = len(o.New) == 0
}

// Replaced says whether the account must never have a password again.
func (o *Order) Replaced(f Fingerprint) bool {
	return slices.Contains(o.Old, f) && !slices.Contains(o.New, f)
}

// Restored takes the passwords that the account has after its own was put back. Where
// another program was faster, they are old ones, and what should be in force stays the same.
func (o *Order) Restored(now []Fingerprint, most int) {
	ours := without(now, o.Old)
	switch {
	case len(ours) > 0:
		o.Replace(without(o.New, ours), most)
		o.Set(ours)
	case len(now) == 0: // they could not be read
		o.Set(nil)
	}
}

// without are the fingerprints of a list that are not in another.
func without(list, others []Fingerprint) []Fingerprint {
	return slices.DeleteFunc(slices.Clone(list), func(f Fingerprint) bool { return slices.Contains(others, f) })
}
