package main

import (
	"context"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

// oldBan is the address number i of those banned before a measurement; none of
// them is an attacker's.
func oldBan(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(100 + i>>24), byte(i >> 16), byte(i >> 8), byte(i)})
}

// seedLedger writes n bans into the ledger of a daemon that does not run.
func seedLedger(ctx context.Context, dir string, n int) error {
	if n == 0 {
		return nil
	}
	l, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range n {
		l.PutBan(incident.Ban{
			Prefix: netip.PrefixFrom(oldBan(i), 32), Since: now, Until: now.Add(24 * time.Hour),
			Reason: "3 wrong passwords within an hour", Origin: "password guessing", Offence: 1,
		})
		if i%16_384 == 16_383 {
			if err := l.Flush(ctx); err != nil {
				return err
			}
		}
	}
	if err := l.Flush(ctx); err != nil {
		return err
	}
	return l.Close()
}
