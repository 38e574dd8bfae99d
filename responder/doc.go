// Package responder is the daemon's core: it turns what Asterisk says into what
// is done about it. docs/architecture.md has the map of the whole program.
//
// # The way of an event
//
//	ami.Client ── block ──▶ Engine.Handle                          reader's goroutine
//	    event.Parser       is it what it says?
//	    judge.Event        intake, calls, score, places, decide    pure
//	    effects            what is decided goes into queues
//	        │
//	        ├─ bans ─▶ bans.KernelQueue ─▶ Firewall                the queue's goroutine
//	        ├─ calls, passwords, registrations ─▶ contain.Runner   its workers
//	        ├─ what was decided, and its outcome ─▶ journal ─▶ ledger
//	        └─ notify, exec, when the rest is over ─▶ Receiver     the journal's goroutine
//
// Everything down to the effects is computed on the goroutine of the sensor that
// saw the event, under the Engine's one lock, with one time for the whole way. The
// lock is never held over I/O other than a log line.
// Nothing there waits; what has to wait is queued, in queues with bounds and
// counters. On this way an ordinary event allocates nothing.
//
// # What is where
//
//	incident  the types: Ban, Step, Incident, Evidence, Call, Hold
//	intake    what counts as one attempt, on which account, is it proven?
//	score     points, thresholds, break-ins
//	calls     channels, and what is unusual about calls
//	places    is this address known for this account? what is protected?
//	decide    which steps of a playbook, and which not
//	bans      the registry of bans, the queue to the kernel, reconciling
//	contain   everything that touches the PBX
//	journal   the record of incidents, and their delivery to receivers
//	judge     the pure composition of these; replay and the demo run it, too
//	ledger    what survives on disk
//
// Packages without goroutines have no lock and no clock: the Engine calls them
// under its lock and passes the time. The registry of bans, not the kernel, is the
// truth about what should be dropped.
package responder
