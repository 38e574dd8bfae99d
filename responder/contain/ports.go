// Package contain carries out what touches the PBX: it ends calls, changes
// passwords, removes registrations, and locks or limits accounts, at a verdict's
// or at a person's word.
//
// Sessions, Rotations, Locks, Restrictions and CallLog are what has to be known
// for that. They are pure and have no lock; their owner calls them from one
// goroutine at a time. Runner has the goroutines that wait for Asterisk.
package contain

import (
	"context"
	"net/netip"
)

// Calls ends calls. What it reports was verified with Asterisk. Its methods may
// be called from any goroutine and wait for a connection as long as ctx allows,
// like those of Accounts.
type Calls interface {
	// Hangup ends every channel of the account but those that spare, if set, names at
	// that moment, and names those it ended.
	Hangup(ctx context.Context, account string, spare func() []string) (channels []string, err error)
	// HangupChannel ends one channel; ended is false when there was none of that
	// name any more.
	HangupChannel(ctx context.Context, channel string) (ended bool, err error)
}

// Accounts changes what an account can be used for.
type Accounts interface {
	// Rotate gives the account another secret; detail says how and where it
	// is kept, never what it is.
	Rotate(ctx context.Context, account string) (detail string, err error)
	// RemoveRegistrations removes the account's registrations; detail is what was
	// done, also beside an error, and which contacts cannot be removed.
	RemoveRegistrations(ctx context.Context, account string) (detail string, err error)
	// Lock takes the account's calls away until Unlock; was is what Unlock needs
	// to know, "" when it was locked before. No such account is an
	// incident.ErrRefused.
	Lock(ctx context.Context, account string) (was, detail string, err error)
	Unlock(ctx context.Context, account, was string) (detail string, err error)
	// LetCallForHelp makes sure that locked accounts can dial emergency numbers; locked
	// has what Lock returned for each. Calling it again costs little.
	LetCallForHelp(ctx context.Context, numbers []string, locked map[string]string) error
	// Restrict lets the account be used from these networks alone, until
	// Unrestrict; restricted to them already is fine.
	Restrict(ctx context.Context, account string, to []netip.Prefix) (detail string, err error)
	// Unrestrict takes away what Restrict added, and nothing else.
	Unrestrict(ctx context.Context, account string, to []netip.Prefix) (detail string, err error)
}
