package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

func TestKernelCheck(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	checked := now.Add(-5 * time.Second)
	for name, tt := range map[string]struct {
		state firewall.GuardState
		ok    bool
		want  string
	}{
		"not yet":  {firewall.GuardState{Interval: time.Minute}, false, "not checked yet"},
		"fine":     {firewall.GuardState{Interval: time.Minute, Checked: checked}, true, "a trial packet of a blocked address was dropped 5s ago"},
		"too old":  {firewall.GuardState{Interval: time.Second, Checked: now.Add(-time.Minute)}, false, "last checked 1m0s ago"},
		"broken":   {firewall.GuardState{Interval: time.Minute, Checked: checked, Trouble: errors.New("no table")}, false, "no table"},
		"repaired": {firewall.GuardState{Interval: time.Minute, Checked: checked, Repairs: 2, Last: firewall.GuardEvent{At: checked, Found: []string{"a chain is gone"}}}, true, "repaired 2 times, last 5s ago: a chain is gone"},
		"behind":   {firewall.GuardState{Interval: time.Minute, Checked: checked, EarlierChains: []string{"table ip early"}}, true, "other programs see packets first: table ip early"},
	} {
		if c := checkGuard(now, tt.state); c.OK != tt.ok || !strings.Contains(c.Detail, tt.want) {
			t.Errorf("%s: %+v, want %q", name, c, tt.want)
		}
	}
}

// A daemon that may not change the kernel can observe, with the bans that the ledger knows of,
// but nobody can be banned, and it says so.
func TestTableWithoutPrivilege(t *testing.T) {
	why := fmt.Errorf("open table inet tollwarden: %w", firewall.ErrPrivilege)
	table := withoutKernel{firewall.NewMemory(firewall.Config{}), why}
	now := time.Now()
	if err := table.Reconcile(now, []firewall.Ban{{Prefix: netip.MustParsePrefix("192.0.2.66/32"), Until: now.Add(time.Hour)}}); err != nil {
		t.Error(err)
	}
	if err := table.Ban(now, firewall.Ban{Prefix: netip.MustParsePrefix("192.0.2.67/32")}); !errors.Is(err, firewall.ErrPrivilege) {
		t.Errorf("banned: %v", err)
	}
	k := &kernel{table: table}
	if err := k.canEnforce(); !errors.Is(err, firewall.ErrPrivilege) {
		t.Errorf("it could enforce: %v", err)
	}
	k.guardWith(firewall.GuardConfig{})
	k.setInterval(time.Second)
	if err := k.run(t.Context()); err != nil {
		t.Error(err)
	}
	if c := k.check(time.Now()); !c.OK || !strings.Contains(c.Detail, "nobody can be banned, and mode enforce is not possible: ") {
		t.Errorf("%+v", c)
	}
}

// The engine's bans and the table's are the same.
func TestFirewallAdapter(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	memory := firewall.NewMemory(firewall.Config{})
	f := firewallAdapter{memory}
	guesser := incident.Ban{Prefix: netip.MustParsePrefix("192.0.2.66/32"), Until: now.Add(time.Hour), Scope: incident.ScopeAll}
	spoofed := incident.Ban{Prefix: netip.MustParsePrefix("192.0.2.67/32"), Until: now.Add(time.Hour), Scope: incident.ScopeSIP}
	first := incident.Ban{Prefix: netip.MustParsePrefix("192.0.2.68/32"), Until: now.Add(time.Hour), Scope: incident.ScopeAsterisk}
	if err := f.Ban(now, []incident.Ban{guesser, spoofed, first}); err != nil {
		t.Fatal(err)
	}
	scopes := map[netip.Prefix]incident.Scope{}
	for _, b := range f.Bans(now) {
		scopes[b.Prefix] = b.Scope
	}
	if len(scopes) != 3 || scopes[first.Prefix] != incident.ScopeAsterisk || scopes[guesser.Prefix] != incident.ScopeAll || scopes[spoofed.Prefix] != incident.ScopeSIP {
		t.Errorf("bans: %v", scopes)
	}
	if err := f.Release(guesser.Prefix); err != nil || memory.Dropped(guesser.Prefix.Addr(), now) {
		t.Errorf("release: %v", err)
	}
	if err := f.Reconcile(now, []incident.Ban{guesser}); err != nil || !memory.Dropped(guesser.Prefix.Addr(), now) || len(f.Bans(now)) != 1 {
		t.Errorf("reconcile: %v, %v", err, f.Bans(now))
	}
	if err := f.Allow([]netip.Prefix{guesser.Prefix}); err != nil || memory.Dropped(guesser.Prefix.Addr(), now) {
		t.Errorf("allow: %v", err)
	}
}

// More bans in the ledger than the kernel's table has room for stop no start.
func TestStartWithTooManyBans(t *testing.T) {
	s := newSite(t, "")
	l, err := ledger.Open(filepath.Join(s.dir, "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for n := range firewall.MaxPrefixes + 100 {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)
		l.PutBan(incident.Ban{Prefix: prefix, Since: now, Until: now.Add(time.Hour), Reason: "a network", Origin: incident.OriginOperator})
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.listening()
	status := s.status()
	room := slices.IndexFunc(status.Checks, func(c control.Check) bool { return c.Name == "room" })
	if status.Health != control.Degraded || room < 0 || status.Checks[room].OK {
		t.Errorf("%s, %+v", status.Health, status.Checks)
	}
	if n := len(s.table.Bans(now)); n != firewall.MaxPrefixes {
		t.Errorf("%d bans are in force", n)
	}
}
