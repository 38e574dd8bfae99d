// Package blocklist reads the addresses that other programs have blocked: sets of ipset and
// nftables, chains of iptables, sipban's dump and APIBAN's log, and plain lists.
package blocklist
