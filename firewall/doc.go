// Package firewall owns two nftables tables: `inet tollwarden` holds the bans, and
// `inet tollwarden_watch` shows the SIP messages that arrive and leave over UDP, drops
// single flows and throttles suspects (see Watch). The package speaks netlink, starts no
// child process and touches no other table.
//
// # Using it
//
// Open makes or takes over the table. Ban and Release change single bans,
// Reconcile brings the table in line with a complete list, whatever has happened
// to it, and Bans lists what is in force. Verify, Probe and Monitor detect
// damage; a Guard runs all three and reconciles. Memory is the same Table
// without a kernel. SetPorts and Watch.SetPorts replace the ports in the rules of their
// tables, each in one transaction: what is dropped before and after is dropped
// meanwhile, too.
//
// # What the table does
//
// Two base chains have priority raw (-300), before conntrack (-200; enum
// nf_ip_hook_priorities, linux/netfilter_ipv4.h):
//
//   - `incoming`, hook prerouting, matches source addresses. Before conntrack
//     there are no established flows, so a ban cuts off a registered phone, the
//     RTP of a running call and an open TCP session with the next packet.
//   - `outgoing`, hook output, matches destination addresses. Asterisk may have
//     hundreds of guesses queued when a ban arrives and would go on answering
//     them, perhaps with the 200 that the attacker is waiting for. Its send call
//     fails with EPERM instead, which Asterisk logs and ignores.
//
// Each chain first accepts the allow list and then drops what is in one of the
// other sets. Both chains use the same sets, so an address is banned in both
// directions at once. The named counters `dropped_in` and `dropped_out` count
// what each chain dropped and survive a rebuild. Accept ends only our chain: the
// host's other rules still apply.
//
//	allow4, allow6         interval sets, the allow list
//	hosts4                 hash set, IPv4 /32
//	slash64                hash set, IPv6 /64, looked up with the masked address
//	hosts6                 hash set, IPv6 /128: single hosts, banned by an operator
//	prefixes4, prefixes6   interval sets, every other prefix length
//	sip4, sip64            hash sets like hosts4 and slash64, for UDP to and from
//	                       the SIP ports only: Scope SIP
//	sipnets4, sipnets6     interval sets, every other prefix length with Scope SIP
//	asterisk4, asterisk64, asterisknets4, asterisknets6
//	                       the same for UDP to and from the SIP ports and TCP to and
//	                       from Asterisk's: Scope Asterisk. Connections that are up
//	                       are cut, too; RTP, which uses other ports, is not
//
// Responses that this host routes for an Asterisk in a container do not pass
// the output hook; the requests they answer are still dropped. A ban drops
// everything from an address including IPv6 neighbour discovery, so a banned
// host on the same link is cut off completely.
//
// # The mirror
//
// The kernel ends bans on its own (element timeouts) without notice, and is slow
// to list a large set. The package therefore keeps a mirror of what the kernel
// holds, which is what Bans returns. A ban stays in the mirror for a minute
// after its end, so that whatever the kernel may still hold is in it.
//
// To change the end of an element that the kernel may hold, one batch adds,
// deletes and adds it again. That is right on every kernel: before 6.12 adding
// does not refresh a timeout, and deleting an element that has just run out
// fails the batch. No packet gets through meanwhile, since a batch takes effect
// at once.
//
// Interval sets refuse overlaps, but banned prefixes may nest and overlap. What
// goes into the kernel are disjoint intervals of the address space, each with
// the latest end of all bans that cover it; a change applies only the intervals
// that differ.
//
// # Transactions
//
// Up to 131,072 bans are one netlink batch, which the kernel applies completely
// or not at all. A larger call to Ban or Release is applied in several batches;
// if one fails, those before it are in force and in the mirror, and the error
// says how many bans that is.
//
// # Taking over a table
//
// Open compares what it finds with what it would make, down to the expressions
// of the rules. If they are the same, it reads the elements into the mirror and
// writes nothing. It does not read very large sets: they stay in force and the
// next Reconcile replaces their contents in one transaction.
//
// If they differ, Open replaces the table, and so does Reconcile; bans, allow
// list and counters are kept. Replacing a table with interval sets lets packets
// through (some hundreds in a flood) even in a single batch, so a second table,
// `<name>_bridge`, holds the same bans while it happens.
package firewall
