// Package sip reads SIP messages (RFC 3261) as they are seen on the wire, between
// an Asterisk and somebody who is not to be trusted. It copies nothing: results
// borrow the bytes of the message. The work for a message is bounded by its
// length.
package sip
