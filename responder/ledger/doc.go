// Package ledger is Tollwarden's memory across restarts: bans, offences,
// incidents with their steps and evidence, holds, known places and habits of
// accounts, slow guesses, and what operators did. It is the only code that knows SQL.
//
// # Who waits for whom
//
// The Put, Add, Delete, Drop and Forget methods never wait for the disk: they
// put a change into a bounded queue in memory and return. One goroutine, owned by
// the Ledger, writes queued changes in batches, one transaction each. Flush waits
// until everything queued before it is durable; only then should a command report
// success.
//
// A read first waits until the queue is written and then reads only the file, so it
// sees every change made before it without a Flush. It waits for two seconds at
// most, and not at all after a failed attempt to write. In that case it returns what
// is in the file with ErrBehind, which says how many rows are missing: use the
// result, and show the error. With any other error the result is unreliable. No read
// outlives its context, even on a disk that hangs.
//
// A start on a broken disk therefore continues at once with what can be read, since
// nothing is queued yet. It removes no ban from the kernel that the ledger might
// have contained.
//
// # What a crash loses
//
// The file is SQLite in WAL mode with synchronous=FULL. After kill -9 every
// committed batch is there, because the kernel has it. With synchronous=NORMAL a
// power cut could still lose the last commits, since WAL is then only synced at
// checkpoints. FULL syncs each batch, and since a batch contains everything queued
// during the previous sync, the cost does not grow with the load. So what Flush
// confirmed survives both.
//
// Changes that were queued but not confirmed are lost, including the numbers of
// incidents, which the next run may reuse: show numbers only after Flush. A ban is
// written at once, with its incident and its offence, so only the few milliseconds
// since the last sync began are at risk. Everything else waits up to 10 ms for more
// changes.
//
// # When the disk fails
//
// If the disk is full, read-only, locked or gone, the Ledger keeps the newest state
// of each changed row in memory, retries with growing pauses, reports the trouble
// through Health and catches up later. What does not fit in memory is dropped, the
// oldest first, and counted by kind. A damaged file is moved aside and kept; a new
// one is created with every row that could still be read. Without a path, everything
// is kept in memory, and reads work the same way.
package ledger
