package responder

import (
	"net/netip"
	"testing"
	"time"
)

// The count follows every change, and is exact once what ended was pruned.
func TestTheCountOfBans(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	b := &book{}
	address := func(i byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, i}), 32) }
	check := func(what string) {
		t.Helper()
		if got, want := b.count(), len(b.list(now)); got != want {
			t.Errorf("%s: counts %d, lists %d", what, got, want)
		}
	}
	for i := range byte(30) {
		ban := Ban{Prefix: address(i), Since: now, Until: now.Add(time.Duration(1+i%3) * time.Hour)}
		if i%2 == 0 {
			ban.Scope = ScopeSIP
		}
		b.put(ban)
	}
	check("after putting")
	b.put(Ban{Prefix: address(1), Since: now, Until: now.Add(time.Hour)})
	b.remove(address(2))
	b.remove(address(200))
	check("after changes")
	now = now.Add(90 * time.Minute)
	b.prune(now)
	check("after a third ended, half of it on parole")
	b.put(Ban{Prefix: address(0), Since: now, Until: now.Add(time.Hour)})
	b.remove(address(6))
	check("after a ban on parole came back and another was released")
	now = now.Add(24 * time.Hour)
	b.prune(now)
	check("after all ended")
	if b.count() != 0 || b.bans.Size() != 0 {
		t.Errorf("%d bans counted, %d kept, want none", b.count(), b.bans.Size())
	}
}
