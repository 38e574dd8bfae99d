// Package report tells one incident as a story for people who were not there:
// the administrator under stress, the manager, the carrier, the police. It is
// pure: it makes text or one HTML page of what the ledger has.
package report
