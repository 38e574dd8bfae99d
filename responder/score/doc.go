// Package score keeps scores of sources, networks and accounts, and reports when one
// crosses a threshold. It is pure: no I/O, no goroutines, no locks; the time comes
// with the observations. Its owner calls it from one goroutine at a time.
//
// # Parts
//
//   - Attempts counts the events of one SIP attempt once.
//   - Challenges stores the From user of chan_sip INVITEs.
//   - BreakIn derives the signal SuccessAfterFailures from the failures and successes
//     of an account.
//   - Table turns observations into verdicts.
//
// # Thresholds
//
// An observation crosses a threshold if the points of the key's observations within
// (newest−within, newest] reach its score, where newest is the time of the latest
// one. Nothing is approximated and nothing decays: "3 within 1h" means exactly that.
// After a threshold is crossed, it starts from zero for that key. Times are exact to
// the microsecond, those of networks to the millisecond. Two sensors may be a minute apart. Setting the wall clock does not
// affect times that come from time.Now.
//
// Of one source at most three points count for its network, so that one source cannot
// have its neighbours banned. What does not count is not kept as the network's evidence.
//
// # Cost
//
// The cost of an observation does not depend on how much is tracked, except for
// processor cache misses, and it does not allocate unless it crosses a threshold. A
// key takes 64 bytes and 8 in the index. The first observation in a window is
// included; each further one takes 16 bytes. Each observation kept as evidence takes
// 72 bytes for all its keys together. Its raw text, about ten times as long, goes into
// a shared ring of 4 MB (rawTexts), which verdicts quote as long as it is there. All
// of it lies in chunks without pointers, which the garbage collector skips, and is
// bounded by Limits. Freed memory is reused, but not returned to the system.
//
// # Eviction
//
// Attackers can create any number of keys. A full table evicts the least dangerous
// key and, among equals, the least recently seen one. Danger is the largest fraction
// of a threshold that a key has reached, in eighths. A key that crossed a threshold
// ranks above all others for the threshold's time. Danger is updated lazily: for every
// observation, a clock hand advances by two keys, assesses those whose windows have
// expired (plus the lag between sensors), lowers the rank of keys that became less
// dangerous and removes empty ones. Every rank keeps a twentieth of the table, so an
// attacker cannot fill the table with dangerous keys and have new keys evicted before
// their second failure. Stats counts the evictions.
package score
