// Package calls tracks channels from their events and finds unusual calls of each
// account: how many, how fast, how dialled, where to, when, and from where. It is
// pure: no I/O, no goroutines, no clock, no locks. The caller serialises access and
// passes the time.
//
// A call is a channel that a phone sets up (Asterisk's channel state Ring). It
// belongs to the account in the channel's name, and counts once.
//
// A Leg is a call as it leaves the site, whoever set it up: a channel to a trunk that
// another channel, or the PBX by itself, dials. It belongs to the account that caused it or
// to an origin (score.IsOrigin). The leg of a phone's own call is judged only by what the
// phone's digits did not show.
//
// Which channel dialled which tells what belongs together. Linkedid would give the same
// result, but a caller can forge it in its own events (ami/event/schema.go), so no
// decision relies on it.
package calls
