package firewall

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// monitored watches the PBX's ruleset and returns the changes.
func monitored(t *testing.T, l *lab) <-chan Author {
	t.Helper()
	changes := make(chan Author, 1024)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Monitor(ctx, Config{NetNS: l.pbx}, func(c Author) { changes <- c }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	time.Sleep(50 * time.Millisecond) // until it has joined
	return changes
}

// What other programs do to the table is noticed at once, found by Verify, and
// undone by Reconcile with every ban.
func TestOthersChangesAreNoticed(t *testing.T) {
	for name, command := range map[string][]string{
		"flush ruleset": {"flush", "ruleset"},
		"delete table":  {"delete", "table", "inet", "tollwarden"},
		"flush a set":   {"flush", "set", "inet", "tollwarden", "hosts4"},
		"flush a chain": {"flush", "chain", "inet", "tollwarden", "incoming"},
		"add a rule":    {"insert", "rule", "inet", "tollwarden", "incoming", "accept"},
		"one element":   {"delete", "element", "inet", "tollwarden", "hosts4", "{ 198.51.100.1 }"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			k := openKernel(t, l, Config{})
			must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.1/32", "198.51.100.2/32", "203.0.113.0/25", "2001:db8:2::/64")...))
			changes := monitored(t, l)
			if out := l.nft(t, command...); out != "" {
				t.Fatal(out)
			}
			select {
			case c := <-changes:
				if c.Program != "nft" || c.PID == 0 {
					t.Errorf("the author is %+v, want nft", c)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the monitor saw nothing")
			}
			found, err := k.Verify(time.Now())
			if err != nil || len(found) == 0 {
				t.Fatalf("Verify found %q, %v", found, err)
			}
			t.Log(strings.Join(found, "; "))
			rebuild(t, k)
			if found, err = k.Verify(time.Now()); err != nil || len(found) > 0 {
				t.Errorf("after Reconcile: %q, %v", found, err)
			}
			for _, a := range []string{"198.51.100.1", "198.51.100.2", "203.0.113.5", "2001:db8:2::2"} {
				if l.arrives(t, netip.MustParseAddr(a)) {
					t.Errorf("a packet from %s arrives after Reconcile", a)
				}
			}
		})
	}
}

// Our own changes are not taken for another program's.
func TestOwnChangesAreNotNoticed(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	changes := monitored(t, l)
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.1/32")...))
	rebuild(t, k)
	l.nft(t, "add", "table", "inet", "other")
	if c := <-changes; c.Program != "nft" {
		t.Errorf("the first change seen is %+v, want that of nft", c)
	}
}

// The probe distinguishes a table that drops from one that only looks like it, in
// both address families.
func TestProbe(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	probe := func() (err error) {
		l.inside(t, l.pbx, func() error { err = Probe(k); return nil })
		return err
	}
	before, err := k.Stats()
	must(t, err)
	must(t, probe())
	after, err := k.Stats()
	must(t, err)
	if n := after.In.Packets - before.In.Packets; n != uint64(len(Canaries)) {
		t.Errorf("the probe had %d packets dropped, want one for each family", n)
	}
	if bans := k.Bans(time.Now()); len(bans) > 0 {
		t.Errorf("the probe left %v", bans)
	}

	// Rules that accept too much, in one family each.
	for _, rule := range []string{"ip saddr 192.0.0.8 accept", "ip6 saddr 100:0:0:1::/64 accept"} {
		if out := l.nft(t, append([]string{"insert", "rule", "inet", "tollwarden", "incoming"}, strings.Fields(rule)...)...); out != "" {
			t.Fatal(out)
		}
		if err := probe(); !errors.Is(err, ErrPassed) {
			t.Errorf("with %q the probe says %v", rule, err)
		}
		rebuild(t, k)
		must(t, probe())
	}

	// Without the table the ban itself fails.
	l.nft(t, "flush", "ruleset")
	if err := probe(); !errors.Is(err, ErrLost) {
		t.Errorf("without a table the probe says %v", err)
	}
	rebuild(t, k)

	// Another firewall that blocks the probe is a different error.
	l.nft(t, "add", "table", "inet", "other")
	l.nft(t, "add", "chain", "inet", "other", "in", "{ type filter hook input priority 0 ; policy drop ; }")
	if err := probe(); !errors.Is(err, ErrUnproven) {
		t.Errorf("behind a closed firewall the probe says %v", err)
	}
}

// An earlier chain that accepts lets nobody pass, and is listed.
func TestEarlierChains(t *testing.T) {
	l := newLab(t)
	k := openKernel(t, l, Config{})
	must(t, k.Ban(time.Now(), forHosts(time.Hour, "198.51.100.1/32")...))
	if found, err := k.EarlierChains(); err != nil || len(found) > 0 {
		t.Errorf("alone: %q, %v", found, err)
	}
	l.nft(t, "add", "table", "inet", "early")
	l.nft(t, "add", "chain", "inet", "early", "first", "{ type filter hook prerouting priority -400 ; }")
	l.nft(t, "add", "rule", "inet", "early", "first", "accept")
	l.nft(t, "add", "chain", "inet", "early", "later", "{ type filter hook prerouting priority 0 ; }")
	found, err := k.EarlierChains()
	if err != nil || len(found) != 1 || found[0] != "chain first of table inet early (hook prerouting, priority -400)" {
		t.Errorf("EarlierChains = %q, %v", found, err)
	}
	if l.arrives(t, netip.MustParseAddr("198.51.100.1")) {
		t.Error("a banned address passes through another chain's accept")
	}
	if !l.arrives(t, netip.MustParseAddr("198.51.100.2")) {
		t.Error("an address that is not banned does not arrive")
	}
}
