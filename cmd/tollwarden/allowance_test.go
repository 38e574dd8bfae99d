package main

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/control"
)

var errHeld = errors.New("no buffer space")

// A change of the allow list that fails half done leaves kernel and books as
// they were; the manager's host is tried again.
func TestAllowThatFails(t *testing.T) {
	d, kernel := daemonOn(t, listens)
	ban := func(addr string) netip.Prefix {
		t.Helper()
		prefix := netip.PrefixFrom(netip.MustParseAddr(addr), 32)
		if _, err := d.engine.Bans.Ban(prefix, time.Time{}, "test", true, 0); err != nil {
			t.Fatal(err)
		}
		kernel.refuse = errHeld
		return prefix
	}
	allowed := func(prefix netip.Prefix) bool {
		for _, p := range kernel.allowed {
			if p == prefix {
				return true
			}
		}
		return false
	}
	for _, reload := range []bool{false, true} {
		prefix := ban("198.51.100.7")
		var err error
		if reload {
			err = reloads(t, d, "[firewall]\nallow = [\"198.51.100.7\"]\n"+listens)
		} else {
			_, err = desk{d}.Allow(0, control.AllowOrder{Prefix: prefix})
		}
		if !errors.Is(err, errHeld) {
			t.Fatalf("reload %t: %v", reload, err)
		}
		if allowed(prefix) {
			t.Errorf("reload %t: the kernel lets it through", reload)
		}
		if _, err := d.engine.Bans.Ban(prefix, time.Time{}, "again", false, 0); err != nil {
			t.Errorf("reload %t: cannot be banned: %v", reload, err)
		}
	}
	if n := len(d.allow.file.Entries()); n != 0 {
		t.Errorf("%d entries in the file", n)
	}
	host := ban("198.51.100.8")
	d.spareManager(host.Addr())
	if allowed(host) || d.engine.Bans.Count() != 2 {
		t.Errorf("half done: allowed %t, %d bans", allowed(host), d.engine.Bans.Count())
	}
	d.spareManager(host.Addr()) // the next connection
	if !allowed(host) || d.engine.Bans.Count() != 1 {
		t.Errorf("the manager's host is not spared: allowed %t, %d bans", allowed(host), d.engine.Bans.Count())
	}
}
