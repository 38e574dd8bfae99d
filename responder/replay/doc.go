// Package replay shows what a configuration would have done with Asterisk's
// recordings: transcripts of the manager interface, logs and call records, merged
// in the order of their times. It runs the judge itself in virtual time, without a
// clock, a firewall or a PBX. Events that a ban would have stopped are counted but
// not judged.
//
// It needs memory for the judge and one record of each file, however long the
// files are.
package replay
