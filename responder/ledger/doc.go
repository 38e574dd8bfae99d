// Package ledger is Tollwarden's memory across restarts: bans, offences,
// incidents with their steps and evidence, holds, known places and habits of
// accounts, and what operators did. It is the only code that knows SQL.
//
// # Who waits for whom
//
// The Put, Add, Delete, Drop and Forget methods never wait for the disk: they
// place a change in a bounded queue in memory and return. One goroutine, owned by
// the Ledger, writes what is queued in batches, one transaction each. Flush waits
// until what was queued before it is durable; that is the moment to tell a person
// "done".
//
// A read first has the queue written out, and then asks the file alone: it sees
// every change made before it, and nobody has to Flush to read their own writes.
// It waits for two seconds at most, and not at all once an attempt to write has
// failed. Then what is in the file comes with an error that is ErrBehind and says
// how many rows are missing: use the answer, and show the error. With any other
// error the answer is not to be relied on. No read outlives its context, even on a
// disk that hangs.
//
// So a start on a broken disk goes on with what can be read, at once, since
// nothing is queued yet. It takes no ban out of the kernel that the ledger might
// have known.
//
// # What a crash loses
//
// The file is SQLite in WAL mode with synchronous=FULL. After kill -9 every
// committed batch is there, because the kernel has it. With synchronous=NORMAL a
// power cut could still lose the last commits, since WAL is then only synced at
// checkpoints; FULL syncs each batch, and as a batch carries everything that
// queued up during the sync before it, that price does not grow with the load.
// So what Flush confirmed survives both. What was queued and not confirmed is
// lost, an incident's number with it: the next run may give the same number
// again. Tell people numbers after Flush. With a ban in the queue, what is at
// stake is what came since the last sync began, a few milliseconds: a ban is
// written at once, with its incident and its offence. Everything else waits for
// up to 10 ms for others.
//
// # When the disk fails
//
// Full, read-only, locked, gone: the Ledger keeps the changes in memory, the
// newest state of each row, tries again with growing pauses, reports it through
// Health and catches up. What does not fit in memory is dropped, the oldest first,
// and counted by kind. A damaged file is moved aside and kept; a fresh one is begun
// with every row that could still be read. Without a path everything is kept in
// memory, and reads are the same.
package ledger
