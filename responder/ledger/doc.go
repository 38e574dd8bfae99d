// Package ledger is Tollwarden's memory across restarts: bans, offences,
// incidents with their steps and evidence, known places of accounts, and what
// operators did. It is the only code that knows SQL.
//
// # Who waits for whom
//
// The Put, Add, Delete and Forget methods never wait for the disk: they place a
// change in a bounded queue in memory and return. One goroutine, owned by the
// Ledger, writes what is queued in batches, one transaction each. Flush waits
// until what was queued before it is durable; that is the moment to tell a
// person "done". Reading shows queued changes too, so nobody needs a Flush to
// read their own writes.
//
// # What a crash loses
//
// The file is SQLite in WAL mode with synchronous=FULL. After kill -9 every
// committed batch is there, because the kernel has it. With synchronous=NORMAL a
// power cut could still take the last commits, since WAL is then only synced at
// checkpoints; FULL syncs each batch, and as a batch carries everything that
// queued up during the sync before it, that price does not grow with the load.
// So what Flush confirmed survives both. What was queued and not confirmed is
// lost, an incident's number with it: the next run may give the same number
// again. Tell people numbers after Flush. With a ban in it that is what came
// since the last sync began, a few milliseconds: a ban is written at once, with
// its incident and its offence. The rest waits for up to 10 ms for company.
//
// # When the disk fails
//
// Full, read-only, locked, gone: the Ledger keeps the changes in memory, newest
// state per row, tries again with growing pauses, says so through Health and
// catches up. What does not fit in memory is dropped, the oldest first, and
// counted by kind. A damaged file is moved aside and kept; a fresh one is begun
// with every row that could still be read from it.
package ledger
