// Package replay shows what a configuration would have done with what
// Asterisk has recorded: transcripts of the manager interface, its logs and its
// call records, in the order of their times. It runs the responder itself, in
// virtual time: there is no clock, no firewall and no PBX, and what a ban would
// have kept away is left out and counted.
//
// Memory is that of the responder and one record of each file; it does not grow
// with the files.
package replay
