// Package report explains one incident to people who were not there: the
// administrator under stress, the manager, the carrier, the police. It is pure:
// it turns what the ledger has into text or one HTML page.
package report
