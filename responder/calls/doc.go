// Package calls tracks channels from their events and finds unusual calls of each
// account: how many, how fast, how dialled, where to, when, and from where. It is
// pure: no I/O, no goroutines, no clock, no locks. The caller serialises access and
// passes the time.
//
// A call is a channel that a phone sets up (Asterisk's channel state Ring). It
// belongs to the account in the channel's name. This leaves out Local and other
// internal channels, the called side and the trunk's leg, so a call counts once.
// Linkedid would give the same result, but a caller can forge it in its own events
// (ami/event/schema.go), so no decision relies on it.
package calls
