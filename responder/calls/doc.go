// Package calls follows channels from their events and finds what is unusual
// about the calls of each account: how many, how fast, how dialled, where to,
// when, and from where. It is pure: no I/O, no goroutine, no clock, no lock; the
// caller serialises and passes the time.
//
// A call is a channel that a phone sets up: Asterisk's state Ring ("it calls
// us"), and it belongs to the account in the channel's name. Local and other
// internal channels, the called side and the trunk's leg are thereby left out,
// and a call counts once. Linkedid would say the same, but a caller can write it
// into its own events (ami/event/schema.go), so that nothing rests on it.
package calls
