// Package ami connects to Asterisk's manager interface, sends actions and
// receives events.
//
// The way of a byte: Reader cuts the stream into event.Blocks, in place and
// without believing any of it. Client reads one connection on one goroutine; a
// block that carries one of its ActionIDs answers a Do, every other one goes to
// the handler, in order, at once. There an event.Parser turns it into an Event,
// or says that it is no event or not Asterisk's. Dialer keeps such a connection
// alive, logs in, backs off, and reports the Gap in which events were lost.
//
// What anybody sends to the PBX ends up in its events, CR and LF included: it can
// end a block early and open another. So nothing but the shape of a whole
// block is proof that Asterisk wrote it, and nothing but an ActionID that an
// attacker cannot know ties an answer to its question. In the other direction no value
// with CR, LF or NUL leaves.
//
// Goroutines: each Client has its reader, which Close ends and waits for; while
// a Dialer runs it has two more for each connection, one that passes on its end
// and one that asks a silent Asterisk for a sign of life.
//
// Actions are goami's functions, over a Session; see HangupMatching for those
// that goami cannot express, which are values (Action) sent by Client.Do.
package ami
