// Package firewall owns one nftables table, `inet tollwarden`, and keeps the
// bans in it, and a small one beside it, `inet tollwarden_watch` (see Watch). It
// speaks netlink; it starts no child process and touches no other table.
//
// # What the table does
//
// Two base chains, both at priority raw (-300), which is before conntrack
// (-200; enum nf_ip_hook_priorities, linux/netfilter_ipv4.h):
//
//   - `incoming`, hook prerouting, looks at source addresses. Since it comes
//     before conntrack there is no such thing as an established flow yet: a ban
//     cuts a registered phone, a standing call's RTP and an open TCP session
//     with the next packet.
//   - `outgoing`, hook output, looks at destination addresses. Asterisk may
//     hold hundreds of guesses in its queues when the ban arrives; without this
//     chain it would go on answering them, and one of the answers may be the
//     200 the thief is waiting for. Asterisk's send call gets EPERM for such an
//     answer, which it logs and forgets.
//
// Each chain accepts the allow list first and then drops what is found in one
// of the other sets. The two chains use the same sets, so an address is banned in
// both directions at once; what each dropped is counted apart, in the named
// counters `dropped_in` and `dropped_out`, which outlive a repair of the
// rules. Accept ends our chain only: the host's other rules still apply.
//
//	allow4, allow6         interval sets, the allow list
//	hosts4                 hash set, IPv4 /32
//	slash64                hash set, IPv6 /64, looked up with the address masked
//	hosts6                 hash set, IPv6 /128: one host, an operator's ban
//	prefixes4, prefixes6   interval sets, every other prefix length
//	sip4, sip64            hash sets like hosts4 and slash64, for UDP to (and
//	                       from) the SIP ports only: Scope SIP
//
// Answers routed through this host for an Asterisk in a container of its own
// pass neither chain on their way out; their requests are still dropped.
// A ban drops everything of an address, IPv6 neighbour discovery included: a
// banned host on the same link is cut off whole.
//
// # Books
//
// The kernel ends a ban by itself (element timeouts), tells nobody, and is slow
// to list a large set. So the package keeps its own mirror, and they are what is
// answered by Bans. A ban is booked before anything else looks at it and stays
// booked for a minute after its end: whatever the kernel may still hold is in
// the mirror. An element that may be in the kernel is refreshed by adding,
// deleting and adding it in one batch, which is right on every kernel: adding
// does not refresh a timeout before 6.12, and deleting what has just run out
// fails the batch. No packet passes meanwhile: a batch takes effect at once.
//
// Interval sets refuse overlaps. Bans of prefixes may nest and overlap as they
// like: what goes into the kernel is the disjoint intervals of the address space
// with the latest end of all bans that cover each interval, and a change applies
// only the intervals that differ.
//
// # All or nothing
//
// A call is one netlink batch, which the kernel applies whole or not at all, up
// to 131,072 bans. A larger call is applied in batches of that size, in order;
// when one fails, those before it are in force and in the mirror, and the error
// says how many they are.
//
// # Taking over
//
// Open compares what it finds with what it would make, down to the rules'
// expressions. If they are the same the elements are read into the mirror and
// nothing is written. If not, the table is replaced, with its bans, allow list
// and counters. Replacing a table with interval sets leaks packets (some
// hundreds in a flood), however atomic the batch; so a second table,
// `<name>_bridge`, with the same bans stands in while it happens.
package firewall
