// Package ami connects to Asterisk's manager interface, sends actions and receives
// events.
//
// Reader splits the stream into event.Blocks, in place and without trusting their
// content. Client reads one connection on one goroutine. A block with one of its
// ActionIDs is a response to Do; every other block goes to the handler immediately and
// in order. There an event.Parser turns it into an Event, or rejects it as unsupported
// or forged. Dialer keeps the connection alive, logs in, backs off, and reports the Gap
// in which events were lost.
//
// Asterisk does not escape what senders put into events, including CR and LF. A sender
// can end a block early and start another one. So only the exact structure of a whole
// block shows that Asterisk wrote it, and only an ActionID that attackers cannot know
// links a response to its action. In the other direction, no value with CR, LF or NUL is
// sent.
//
// Goroutines: each Client has a reader, which Close stops and waits for. A Dialer adds
// two more per connection: one that cancels the context when the connection ends, and
// one that pings an idle Asterisk.
//
// Most actions are goami's functions over a Session. Those that goami does not support
// (see HangupMatching) are Action values sent with Client.Do.
package ami
