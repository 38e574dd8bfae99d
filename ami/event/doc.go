// Package event says what Asterisk's manager events mean.
//
// A Parser turns a Block, as it stood on the wire, into an Event. It believes
// a block only when its headers are exactly those that Asterisk writes for that
// event (schema.go); anything else is ErrUnknown or a Tampering. An Event says
// how far its source address and its account can be trusted (Proven,
// AccountTrust).
//
// The package also holds the small types that every reader of events shares:
// Transport, the prefixes a source is counted under, and how the names of
// channels and SIP URIs are split. It does no I/O, and imports nothing of the
// project.
package event
