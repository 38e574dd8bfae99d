package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/control"
)

func addrs(text string) (list []netip.Addr) {
	for _, w := range strings.Fields(text) {
		list = append(list, netip.MustParseAddr(w))
	}
	return list
}

// At most four single public addresses count, and those that counted before come first.
func TestLeadsTo(t *testing.T) {
	for _, tt := range []struct{ answer, before, want, problem string }{
		{"203.0.113.7", "", "[203.0.113.7]", ""},
		{"::ffff:203.0.113.7 203.0.113.7 2001:db8::7", "", "[203.0.113.7 2001:db8::7]", ""},
		{"10.0.0.7 127.0.0.1 169.254.1.1 224.0.0.1 :: 203.0.113.7 fd00::1", "", "[203.0.113.7]", ""},
		{"192.168.1.5", "203.0.113.7", "[203.0.113.7]", "no public address"},
		{"203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.4 203.0.113.5", "203.0.113.5", "[203.0.113.1 203.0.113.2 203.0.113.3 203.0.113.5]", "5 addresses, of which 4 count"},
	} {
		to := leadsTo(addrs(tt.answer), addrs(tt.before))
		if fmt.Sprint(to.Addresses) != tt.want || !strings.Contains(to.problem, tt.problem) || (tt.problem == "") != (to.problem == "") {
			t.Errorf("%s after %s: %v, %q", tt.answer, tt.before, to.Addresses, to.problem)
		}
	}
}

// Without DNS a name stays where it was, across a restart too, until it is off the list.
func TestNamesWithoutDNS(t *testing.T) {
	dir := t.TempDir()
	dns := func(_ context.Context, name string) ([]netip.Addr, error) { return addrs("203.0.113.7"), nil }
	down := func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no answer") }
	list := func() []string { return []string{"office.example.org"} }
	n := openAllowNames(dir, dns, zerolog.Nop())
	n.refresh(t.Context(), list)
	n = openAllowNames(dir, down, zerolog.Nop())
	for range 2 {
		if got := n.places(list()); len(got) != 1 || got[0].Prefix.String() != "203.0.113.7/32" || got[0].Why != "office.example.org on the allow list" {
			t.Errorf("without DNS: %v", got)
		}
		n.refresh(t.Context(), list)
	}
	if _, problem := n.of("office.example.org"); problem != "no answer" {
		t.Errorf("the problem is %q", problem)
	}
	n.refresh(t.Context(), func() []string { return nil })
	if n = openAllowNames(dir, down, zerolog.Nop()); len(n.places(list())) != 0 {
		t.Error("a name that is off the list is remembered")
	}
}

// What would let a large part of the internet attack is refused, unless it is forced; and
// then status says so.
func TestAllowListThatIsTooWide(t *testing.T) {
	s := newSite(t, "[firewall]\nallow = [\"8.0.0.0/8\"]\n")
	writeFile(t, s.dir+"/allow", "9.0.0.0/8 # from an older version\n")
	s.start()
	s.listening()
	everything := netip.MustParsePrefix("0.0.0.0/0")
	if c := s.check("allow"); c.OK || !strings.Contains(c.Detail, "not in force: 8.0.0.0/8") || !strings.Contains(c.Detail, "not in force: 9.0.0.0/8") || s.table.allows(netip.MustParsePrefix("8.0.0.0/8")) || s.table.allows(netip.MustParsePrefix("9.0.0.0/8")) {
		t.Errorf("the check says %+v", c)
	}
	if _, err := s.api.Allow(t.Context(), control.AllowOrder{Prefix: everything}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("everything is allowed: %v", err)
	}
	s.configure("")
	writeFile(t, s.dir+"/allow", "8.0.0.0/15 force # a carrier\n")
	if _, err := s.api.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := s.check("allow"); !c.OK || !strings.Contains(c.Detail, "WARNING") || !strings.Contains(c.Detail, "131072 public IPv4 addresses") || !s.table.allows(netip.MustParsePrefix("8.0.0.0/15")) {
		t.Errorf("the check says %+v", c)
	}
	if _, err := s.api.Allow(t.Context(), control.AllowOrder{Prefix: everything, Force: true, Comment: "a test", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if c := s.check("allow"); c.OK || !strings.Contains(c.Detail, "no attacker is ever blocked") {
		t.Errorf("the check says %+v", c)
	}
	list, err := s.api.AllowList(t.Context())
	if err != nil || !slices.ContainsFunc(list, func(a control.Allowed) bool {
		return a.Prefix == everything && a.Force && strings.HasPrefix(a.By, "ann as ")
	}) {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

// An entry ends by itself, and a name's address follows DNS.
func TestAllowListChangesWithTime(t *testing.T) {
	s := newStoppedSite(t, "")
	dns := addrs("203.0.113.7")
	s.daemon.config.names.lookup = func(context.Context, string) ([]netip.Addr, error) { return dns, nil }
	now, office := time.Now(), netip.MustParsePrefix("198.51.100.7/32")
	for _, o := range []control.AllowOrder{{Prefix: office, Until: now.Add(time.Hour)}, {Name: "office.example.org"}} {
		if _, err := s.daemon.api.Allow(0, o); err != nil {
			t.Fatal(err)
		}
	}
	named := func(want string) {
		t.Helper()
		for _, a := range s.daemon.api.AllowList() {
			if a.Name != "" && fmt.Sprint(a.Addresses) != want {
				t.Errorf("%s leads to %s, want %s", a.Name, a.Addresses, want)
			}
			if a.Origin == control.Learned && !strings.Contains(a.Reason, "office.example.org") {
				t.Errorf("protected: %+v", a)
			}
		}
		if why := s.daemon.engine.Protected(); len(why) != 1 || "["+why[0].Prefix.Addr().String()+"]" != want {
			t.Errorf("protected: %v, want %s", why, want)
		}
	}
	named("[203.0.113.7]")
	if !s.table.allows(office) || s.table.allows(netip.MustParsePrefix("203.0.113.7/32")) {
		t.Error("the office is not allowed, or a host name makes an address immune")
	}
	dns = addrs("203.0.113.8")
	s.daemon.config.names.refresh(t.Context(), func() []string { return s.daemon.config.allow.names(now) })
	s.daemon.config.refreshAllowList(now.Add(time.Hour + time.Minute))
	named("[203.0.113.8]")
	if s.table.allows(office) {
		t.Error("allowed after its end")
	}
	if _, err := s.daemon.api.Allow(0, control.AllowOrder{Name: "not a name"}); err == nil {
		t.Error("nonsense is a name")
	}
	if _, err := s.daemon.api.Allow(0, control.AllowOrder{Name: "office.example.org", Remove: true}); err != nil {
		t.Error(err)
	}
	if why := s.daemon.engine.Protected(); len(why) != 0 {
		t.Errorf("protected after the name was removed: %v", why)
	}
}

// What is said of a host name that is added: where it counts, or that it has no effect yet.
func TestNameMessage(t *testing.T) {
	for _, tt := range []struct{ addresses, problem, want string }{
		{"203.0.113.7", "", "added home.example.org: every extension counts as known at 203.0.113.7"},
		{"203.0.113.7 203.0.113.8", "it has 5 addresses, of which 4 count", "added home.example.org: every extension counts as known at 203.0.113.7, 203.0.113.8 (it has 5 addresses, of which 4 count)"},
		{"", "no such host", "added home.example.org, which has no effect until it can be resolved (no such host)"},
	} {
		if got := nameMessage("home.example.org", func(string) ([]netip.Addr, string) { return addrs(tt.addresses), tt.problem }); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
