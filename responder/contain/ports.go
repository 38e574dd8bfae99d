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

	"github.com/tollwarden/tollwarden/responder/orders"
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

// Standing reads what is in force for accounts, and puts it back. Its methods may be called
// from any goroutine, like those of Calls.
type Standing interface {
	// Live is what Asterisk has in force for an account. Round is the same for many accounts;
	// without files, what only Asterisk's files show is left out.
	Live(ctx context.Context, account string) (orders.Live, error)
	Round(files bool) func(ctx context.Context, account string) (orders.Live, error)
	// ReloadedAt changes when Asterisk has read all of its files.
	ReloadedAt(ctx context.Context) (string, error)
	// RestorePassword gives an account the newest password that it got from us, or another
	// one.
	RestorePassword(ctx context.Context, account string) (detail string, err error)
	// Rotatable says why an account's password cannot be changed, as far as that shows
	// without writing anything.
	Rotatable(ctx context.Context, account string) error
	// Isolate keeps what was added for one account from breaking that of another; moved is
	// how many additions of an earlier version it moved.
	Isolate(ctx context.Context) (moved int, err error)
	// RemoveTraces removes what was added for an account that is gone.
	RemoveTraces(ctx context.Context, account string) (detail string, err error)
	// Evict ends the registrations and calls of an account from addresses that stranger
	// picks, but for the channels that spare names.
	Evict(ctx context.Context, account string, stranger func(netip.Addr) bool, spare func() []string) (removed int, channels []string, err error)
}
