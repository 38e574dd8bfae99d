// Package score keeps the score of sources, networks and accounts and says
// when one crosses a threshold. It is pure: time comes with the observations,
// nothing is read, written, logged or waited for, and there is no lock: one
// owner calls it at a time.
//
// # Parts
//
//   - Attempts: how often the events of one SIP attempt count.
//   - Challenges: who a chan_sip INVITE said it was from.
//   - BreakIn: from failures and successes of an account to the signal
//     SuccessAfterFailures, which is scored like any other.
//   - Table: from observations to verdicts.
//
// # What a threshold means
//
// It is crossed by an observation when the points of the key's observations
// within its time, (newest−within, newest], reach its score, where newest is
// the latest of them. Nothing is approximated or decays: "3 within 1h" means
// that. A threshold that is crossed starts from nothing again for that key.
// Times are told apart to the microsecond. Two sensors may be a minute apart;
// setting the wall clock does no harm to times that come from time.Now.
//
// # What it costs
//
// An observation costs the same however much is tracked, but for the caches of
// the processor, and allocates nothing unless it crosses a threshold. A key is
// 64 bytes and 8 in the index, its first observation in a window is part of
// that, each further one 16 bytes, and each observation kept as evidence 72
// bytes for all its keys together. Its text, which is ten times that, goes into
// a ring of 4 MB for all (raws), from which a verdict's evidence is told word for
// word as long as it is there. All of it lies in chunks without pointers,
// which the garbage collector skips, and is bounded by Limits; what is given
// back is used again but not returned to the system.
//
// # What goes when there is no room
//
// Strangers can make up keys at will. A full table evicts the least dangerous
// key, of those the one longest not seen: danger is the greatest share of any
// of its thresholds that a key has reached, in eighths, and a key that crossed
// one is above all others for that threshold's time. Danger decays lazily: at
// every observation a hand moves over two keys, looks again at those whose
// windows have passed by more than sensors may disagree, moves down what has
// become less dangerous and forgets what has nothing left. Every rank is left
// a twentieth of the table, so that nobody can fill it with dangerous keys and
// have newcomers evicted before their second failure. What had to go is
// counted in Stats.
package score
