package calls_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// connect sets up a call of an account and connects it to another channel.
func (s *site) connect(account, own, number, trunk string) {
	s.Call(noon, calls.Channel{Name: own, Account: account, Linkedid: own, Dialled: number, Calling: true})
	if _, name, _ := strings.Cut(trunk, "PJSIP/"); name != "" {
		s.Up(calls.Channel{Name: trunk, Account: name[:strings.Index(name, "-")], Linkedid: own})
	}
	s.Dial(calls.Dial{By: own, Channel: trunk})
}

func (s *site) strays(account string) string {
	names := s.Strays(account)
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (s *site) down(names ...string) {
	for _, name := range names {
		s.End(noon.Add(time.Minute), name)
	}
}

// Strays of an account are channels of calls that it set up and left, not channels that
// it only shared a bridge with.
func TestStrays(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(s *site)
		want    string
	}{
		"a call with the account": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "00442079460001", "PJSIP/carrier-00000002")
		}, ""},
		"an ended call": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "00442079460001", "PJSIP/carrier-00000002")
			s.down("PJSIP/1002-00000001", "PJSIP/carrier-00000002")
		}, ""},
		"two calls connected to each other": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "00442079460001", "PJSIP/carrier-00000002")
			s.connect("1002", "PJSIP/1002-00000003", "00442079460002", "PJSIP/carrier-00000004")
			s.down("PJSIP/1002-00000001", "PJSIP/1002-00000003")
		}, "PJSIP/carrier-00000002 PJSIP/carrier-00000004"},
		"a call transferred to another number": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "00442079460001", "PJSIP/carrier-00000002")
			s.Transfer(noon, "1002", "00881612345678", "PJSIP/carrier-00000002")
			s.down("PJSIP/1002-00000001")
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000002", Channel: "DAHDI/i1/00881612345678-1"})
		}, "DAHDI/i1/00881612345678-1 PJSIP/carrier-00000002"},
		"an outside caller transferred out again": {func(s *site) {
			s.Up(calls.Channel{Name: "PJSIP/carrier-00000001", Account: "carrier", Calling: true})
			s.Up(calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002"})
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000001", Channel: "PJSIP/1002-00000002"})
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000001", Channel: "PJSIP/carrier-00000003"}) // reported before the transfer
			s.Transfer(noon, "1002", "00881612345678", "PJSIP/carrier-00000001")
			s.down("PJSIP/1002-00000002")
		}, "PJSIP/carrier-00000001 PJSIP/carrier-00000003"},
		"an outside caller transferred to a colleague": {func(s *site) {
			s.Up(calls.Channel{Name: "PJSIP/carrier-00000001", Account: "carrier", Calling: true})
			s.Up(calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002"})
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000001", Channel: "PJSIP/1002-00000002"})
			s.Transfer(noon, "1002", "1003", "PJSIP/carrier-00000001")
			s.down("PJSIP/1002-00000002")
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000001", Channel: "PJSIP/1003-00000003"})
		}, ""},
		"a call to a colleague": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "1003", "PJSIP/1003-00000002")
			s.down("PJSIP/1002-00000001")
		}, ""},
		"an internal number that leads to a trunk": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "799", "PJSIP/carrier-00000002")
			s.down("PJSIP/1002-00000001")
		}, "PJSIP/carrier-00000002"},
		"through a Local channel": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "00442079460001", "Local/0044@away-00000000;1")
			s.Dial(calls.Dial{By: "Local/0044@away-00000000;2", Channel: "PJSIP/carrier-00000002"})
			s.down("PJSIP/1002-00000001")
		}, "Local/0044@away-00000000;1 Local/0044@away-00000000;2 PJSIP/carrier-00000002"},
		"a caller forwarded": {func(s *site) {
			s.Up(calls.Channel{Name: "PJSIP/1003-00000001", Account: "1003", Calling: true})
			s.Up(calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002"})
			s.Dial(calls.Dial{By: "PJSIP/1003-00000001", Channel: "PJSIP/1002-00000002"})
			s.Forward("1002", "PJSIP/1003-00000001", "00881612345678@internal")
			s.Dial(calls.Dial{By: "PJSIP/1003-00000001", Channel: "Local/00881612345678@internal-00000000;1"})
			s.Dial(calls.Dial{By: "Local/00881612345678@internal-00000000;2", Channel: "PJSIP/carrier-00000003"})
			s.down("PJSIP/1002-00000002")
		}, "Local/00881612345678@internal-00000000;1 Local/00881612345678@internal-00000000;2 PJSIP/carrier-00000003"},
		"a caller forwarded to a colleague": {func(s *site) {
			s.Up(calls.Channel{Name: "PJSIP/carrier-00000001", Account: "carrier", Calling: true})
			s.Up(calls.Channel{Name: "PJSIP/1002-00000002", Account: "1002"})
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000001", Channel: "PJSIP/1002-00000002"})
			s.Forward("1002", "PJSIP/carrier-00000001", "1003")
			s.Dial(calls.Dial{By: "PJSIP/carrier-00000001", Channel: "PJSIP/1003-00000003"})
			s.down("PJSIP/1002-00000002")
		}, ""},
		"a conference": {func(s *site) {
			for _, c := range []calls.Channel{
				{Name: "PJSIP/1002-00000001", Account: "1002", Linkedid: "1", Dialled: "700", Calling: true},
				{Name: "PJSIP/1003-00000002", Account: "1003", Linkedid: "1", Dialled: "700", Calling: true},
				{Name: "PJSIP/carrier-00000003", Account: "carrier", Linkedid: "1", Dialled: "700", Calling: true},
			} {
				s.Call(noon, c)
			}
			s.down("PJSIP/1002-00000001")
		}, ""},
		"a transfer by a trunk": {func(s *site) {
			s.connect("1003", "PJSIP/1003-00000001", "00442079460001", "PJSIP/carrier-00000002")
			s.Transfer(noon, "carrier", "00881612345678", "PJSIP/1003-00000001")
		}, ""},
		"a call whose start was not seen": {func(s *site) {
			s.BeginSnapshot()
			up := []calls.Channel{
				{Name: "PJSIP/1002-00000001", Account: "1002", Linkedid: "1", Dialled: "00442079460001", Calling: true},
				{Name: "PJSIP/carrier-00000002", Account: "carrier", Linkedid: "1", Called: true},
				{Name: "PJSIP/1003-00000003", Account: "1003", Linkedid: "2", Dialled: "700", Calling: true},
			}
			s.ApplySnapshot(noon, up)
			s.ApplySnapshot(noon, up[1:])
		}, "PJSIP/carrier-00000002"},
		"a conference whose start was not seen": {func(s *site) {
			up := []calls.Channel{
				{Name: "PJSIP/1002-00000001", Account: "1002", Linkedid: "1", Dialled: "00442079460001", Calling: true},
				{Name: "PJSIP/1003-00000003", Account: "1003", Linkedid: "1", Dialled: "700", Calling: true},
				{Name: "PJSIP/carrier-00000002", Account: "carrier", Linkedid: "1", Called: true},
			}
			s.ApplySnapshot(noon, up)
			s.ApplySnapshot(noon, up[1:])
		}, ""},
		"a gap in the events": {func(s *site) {
			s.connect("1002", "PJSIP/1002-00000001", "00442079460001", "Local/0044@away-00000000;1")
			s.Dial(calls.Dial{By: "Local/0044@away-00000000;2", Channel: "PJSIP/carrier-00000002"})
			s.BeginSnapshot()
			s.Dial(calls.Dial{By: "Local/0044@away-00000000;2", Channel: "PJSIP/carrier-00000003"}) // newer than the snapshot
			s.ApplySnapshot(noon, []calls.Channel{{Name: "PJSIP/carrier-00000002", Account: "carrier", Linkedid: "7"}})
		}, "PJSIP/carrier-00000002 PJSIP/carrier-00000003"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(usual())
			s.activate("1002")
			c.happens(s)
			if got := s.strays("1002"); got != c.want {
				t.Errorf("strays of 1002: %q, want %q", got, c.want)
			}
			if got := s.strays("1003"); got != "" {
				t.Errorf("strays of 1003: %q", got)
			}
		})
	}
}

// A number that a call is redirected to is checked like a dialled one.
func TestRedirectToForbiddenNumber(t *testing.T) {
	s := newSite(usual())
	s.activate("1002")
	if got := names(s.Transfer(noon, "1002", "00881612345678", "PJSIP/carrier-00000002")); got != "ForbiddenDestination NewCountry" {
		t.Errorf("a transfer abroad: %q", got)
	}
	if got := names(s.Transfer(noon, "1002", "1003", "PJSIP/carrier-00000002")); got != "" {
		t.Errorf("a transfer to a colleague: %q", got)
	}
	s.Forward("1002", "PJSIP/1003-00000001", "Local/00881612345678@internal")
	if account, number := s.Dial(calls.Dial{By: "PJSIP/1003-00000001", Channel: "Local/00881612345678@internal-00000000;1"}); account != "1002" || number != "00881612345678" {
		t.Errorf("forwarded by %q to %q", account, number)
	}
	if account, number := s.Dial(calls.Dial{By: "PJSIP/1003-00000001", Channel: "PJSIP/1001-00000009"}); account != "1003" || number != "" {
		t.Errorf("the next call is forwarded by %q to %q", account, number)
	}
}
