// Command bench measures Tollwarden: how much a guesser gets through on a real
// Asterisk, how long the way of an event takes, how many events one core can
// take, what a million of anything costs, and how small the daemon is idle.
//
//	make bench        everything that needs nothing but the machine
//	make bench-peers  fail2ban and CrowdSec beside it, on the same attacks
//	make bench-check  the code's own costs against those kept in baseline.json
//
// Whatever it starts runs in network namespaces of its own: the machine's own
// ruleset and services are not touched. It wants root. All that is random is
// seeded. Figures are given as median and 99th percentile with the lowest and
// the highest, since a machine is never quiet.
//
// Where a figure can be had from outside, it is: the daemon is the program as
// built for installation, a drop counts when the kernel announces it, and a
// guess counts as answered when Asterisk's own security log says so.
package main
