package responder

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
)

// Watch is what the engine needs of the kernel about single conversations.
// Calls may come from any goroutine.
type Watch interface {
	// DropFlow drops SIP over UDP of one address and port, for that time from now; 0
	// lets it through again.
	DropFlow(within time.Duration, flow netip.AddrPort) error
	// DropConnection does so over TCP, TLS and WebSocket.
	DropConnection(within time.Duration, connection netip.AddrPort) error
	// CloseConnections lets nothing in from an address over TCP, TLS and WebSocket for
	// that time, except over the connections in live; 0 ends it.
	CloseConnections(within time.Duration, at netip.Prefix, live []netip.AddrPort) error
	// Suspect throttles an address's SIP over UDP for that time; 0 ends it. The
	// conversations in live pass.
	Suspect(within time.Duration, at netip.Prefix, live []netip.AddrPort) error
	// Flows and Suspects are what DropFlow drops and whom Suspect throttles now, each
	// with its end, those of an earlier run of the daemon included. Live are the
	// conversations that pass at a suspect.
	Flows() map[netip.AddrPort]time.Time
	Suspects() map[netip.Prefix]time.Time
	Live(at netip.Prefix) []netip.AddrPort
	// Connections, Closed and Kept are the same for DropConnection and CloseConnections.
	Connections() map[netip.AddrPort]time.Time
	Closed() map[netip.Prefix]time.Time
	Kept(at netip.Prefix) []netip.AddrPort
	// Throttles returns why nothing can be throttled, or nil.
	Throttles() error
}

// Inventory answers questions about what is in Asterisk. Calls may come from any
// goroutine and wait for a connection as long as ctx allows.
type Inventory interface {
	// Accounts are those that Asterisk knows.
	Accounts(ctx context.Context) ([]calls.Account, error)
	// Channels are the channels that are up.
	Channels(ctx context.Context) ([]calls.Channel, error)
	// Contacts are the registrations that Asterisk holds.
	Contacts(ctx context.Context) ([]places.Contact, error)
	// UnannouncedContacts are those of them that no event reports.
	UnannouncedContacts(ctx context.Context) ([]places.Contact, error)
	// Forwards are the call forwards in Asterisk's database, of which no event tells.
	Forwards(ctx context.Context) ([]calls.Forward, error)
	// Carriers are the addresses that Asterisk's configuration names: carriers, other
	// PBXs. An error beside a list says why it is not complete.
	Carriers(ctx context.Context) ([]places.Protected, error)
	// CallSource is where the call of a channel comes from.
	CallSource(ctx context.Context, channel string) (netip.AddrPort, error)
	// CallUserAgent is the User-Agent that the call of a channel was set up with;
	// "" when it named none.
	CallUserAgent(ctx context.Context, channel string) (string, error)
}

// Before is what another sensor holds of a time without events: before the start, or in a
// gap. Calls wait, as long as ctx allows.
type Before interface {
	// Guesses are the wrong passwords of that time, before anything of it is reported. They
	// are asked for at each Resync, and returned once.
	Guesses(ctx context.Context) []judge.Guess
	// Reported returns once what the sensor holds by now has been reported to the Engine. all
	// is false if ctx ended before.
	Reported(ctx context.Context) (all bool)
	// Unknown says what the sensor does not know of the time before the start; "" if that
	// is nothing. It is to be called after Guesses.
	Unknown() string
}
