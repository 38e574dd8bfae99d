// Package responder is the brain: it turns what Asterisk says into what is done
// about it.
//
// # The way of an event
//
//	ami.Client ── block ──▶ Responder.Handle                       reader's goroutine
//	    event.Parser       is it what it says?             hear
//	    translate          what was seen, by whom          judge
//	    score.Attempts     the other half of an attempt?
//	    score.BreakIn      a stranger's success?
//	    score.Table        a threshold crossed?            observe
//	    plan               which steps, and which not      answer
//	        │
//	        ├─ bans ─▶ lane ─▶ Firewall                            lane's goroutine
//	        ├─ calls, secrets, registrations ─▶ crew ─▶ PBX        crew's goroutines
//	        ├─ notify, exec, when the others are over ─▶ Teller    the Teller's own
//	        └─ what was decided and what came of it ─▶ ledger      ledger's goroutine
//
// Everything down to plan is computed on the reader's goroutine, under one
// lock that is never held over I/O, with one time for the whole way. Nothing
// there waits; what has to wait is queued, in queues with bounds and counters.
//
// # Where the time goes
//
// An ordinary event takes 0.7 µs of one core, the socket included: a third of
// it to find the lines and their colons, nearly half to hold them against the
// event's schema, a fifth to judge and to score.
// On this way nothing is allocated (TestAnOrdinaryEventAllocatesNothing), the
// only lock is the responder's own, and the only system call is the read, which
// brings as many events as have come. Others hold the lock for microseconds, and
// longer only where they walk over much, which is seldom: a page of the bans at
// a start takes a millisecond, Tidy once a minute 50 ns a ban; a list of the bans
// and another allow list copy the book, a reload of other thresholds counts
// all kept evidence anew, and Resync asks for the evidence of every home. What one
// event has in common with the one before it, such as our own address and the
// second, is compared and not read again.
// Events of one session have an order, so that one core is the limit of one
// session; a second core carries the kernel's side of the socket, the bans and
// the ledger. Profile-guided builds won 3 % and are not used.
//
// A verdict allocates its evidence and its incident. From the last byte of the
// guess too many to the kernel's drop it is 110 µs on a sleeping daemon, as long
// as one byte to a sleeping program and back: to wake the reader takes 45, to
// judge and plan out of cold caches 25, to hand the ban to the lane 15, to write
// it and to have the kernel carry it out 20 at any number of bans; a listener
// that has to be woken, too, sees it 80 later. The lane runs on the reader's own
// thread while another takes over the reader: to wake a thread for it took as
// long again. The reader does not make the call itself, because
// somebody else's large transaction can hold up the kernel's firewall for
// seconds, and Asterisk hangs up on who does not read. The bans are counted as
// they change, and sorted, off the lock, by whoever wants them listed.
//
// A start reads the bans in pages of 4,096: the first before Asterisk is called,
// the others beside its events. A page holds the lock for about a millisecond
// and the kernel for some 10 to 20; a new guesser's ban waits for that at most.
// A million bans take some 11 s of processor, on both cores, a third of it the
// kernel's, and 18 s where the kernel holds them already but was not asked
// which (firewall.MaxRead), since each is then put there again.
//
// What does not get cheaper: a failure of one of a million sources costs some
// 1.2 to 1.5 times that of one of a thousand, for the cache lines of its entry, its
// bucket and its two neighbours by age. A packet pays for its way through the
// hook and for one lookup in each set of its family, in all 0.3 to 0.7 µs of
// about 2; rules gathered in chains that only one family enters cost as much.
//
// test/bench measures all of it (make bench).
//
// # Who owns what
//
// Run owns every goroutine that lasts and waits for them: the lane; the crew
// (several, so that one slow rotation does not delay another account's); several
// who end single calls, and one each who ends calls that slip in, drops single
// flows, asks where calls come from, asks with which phones, and hands on what
// others are told; one each who loads the bans at a start, looks for what should
// have happened, lifts restrictions, and forgets what ran out. The book of bans,
// not the kernel, is the truth about what should be dropped: when the kernel
// refuses or has lost its table, the lane restores it from the book.
//
// An incident's steps are recorded as intended before they are tried, and with
// their outcome after it was checked, so that a crash leaves nothing unsaid.
package responder
