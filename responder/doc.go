// Package responder is the brain: it turns what Asterisk says into what is done
// about it.
//
// # The way of an event
//
//	ami.Client ── block ──▶ Responder.Handle                       reader's goroutine
//	    ami.Parser         is it what it says?             hear
//	    translate          what was seen, by whom          judge
//	    score.Attempts     the other half of an attempt?
//	    score.BreakIn      a stranger's success?
//	    score.Table        a threshold crossed?            observe
//	    plan               which steps, and which not      answer
//	        │
//	        ├─ bans ─▶ lane ─▶ Firewall                            lane's goroutine
//	        ├─ calls, secrets, registrations, notify ─▶ crew ─▶ PBX   crew's goroutines
//	        └─ what was decided and what came of it ─▶ ledger      ledger's goroutine
//
// Everything down to plan is computed on the reader's goroutine, under one
// lock that is never held over I/O, with one time for the whole way. Nothing
// there waits; what has to wait is queued, in queues with bounds and counters.
//
// # Who owns what
//
// Run owns every goroutine and waits for them: the lane (one), the crew (a few,
// so that one slow rotation does not delay another account's), the sweeper of
// calls that slip in, and the one that forgets what ran out. The book of bans,
// not the kernel, is the truth about what should be dropped: when the kernel
// refuses or has lost its table, the lane restores it from the book.
//
// An incident's steps are recorded as intended before they are tried, and with
// their outcome after it was checked, so that a crash leaves nothing unsaid.
package responder
