// Package event parses Asterisk's manager events.
//
// A Parser turns a Block, as received, into an Event. It accepts a block only if
// its headers are exactly those that Asterisk writes for that event (schema.go);
// anything else is ErrUnknown or a Tampering. An Event reports how far its source
// address and its account can be trusted (Proven, AccountTrust).
//
// The package also defines the small types that all users of events share:
// Transport, the source and network prefixes of an address, and functions that
// split channel names and SIP URIs. It does no I/O and imports no other package
// of the project.
package event
