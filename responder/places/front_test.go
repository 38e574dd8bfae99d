package places

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// at are this many accounts' phones at an address, at ports of their own from this one; at
// one port if it is below 0.
func at(address string, first, n, port int) (list []Contact) {
	for i := range n {
		p := port + i
		if port < 0 {
			p = -port
		}
		list = append(list, Contact{Account: fmt.Sprint(first + i), Source: netip.MustParseAddr(address), Port: uint16(p)})
	}
	return list
}

// When all phones seem to be at one address, and when they do not.
func TestFront(t *testing.T) {
	for name, tc := range map[string]struct {
		contacts []Contact
		own      string
		want     string // "" for none
	}{
		"nobody":                          {nil, "", ""},
		"four phones of one office":       {at("203.0.113.5", 1001, 4, 5070), "", ""},
		"an office with all phones":       {at("203.0.113.5", 1001, 8, 5070), "", "8 of 8 registered extensions behind 203.0.113.5, as behind the router of an office"},
		"one phone of ten is elsewhere":   {append(at("203.0.113.5", 1001, 9, 5070), at("198.51.100.9", 1010, 1, 5060)...), "", "9 of 10"},
		"a third is elsewhere":            {append(at("203.0.113.5", 1001, 6, 5070), at("198.51.100.9", 1010, 3, 5060)...), "", ""},
		"a proxy":                         {at("203.0.113.5", 1001, 7, -5060), "", "behind 203.0.113.5 port 5060, as behind a SIP proxy or SBC"},
		"Docker's relay, seen outside":    {at("172.17.0.1", 1001, 7, 40000), "172.17.0.1", "an address of this machine, as behind Docker's"},
		"Docker's relay, seen inside":     {at("172.17.0.1", 1001, 7, 40000), "172.17.0.2", "a private address"},
		"a local network":                 {append(append(at("192.168.1.5", 1001, 3, 5060), at("192.168.1.6", 1004, 1, 5060)...), at("192.168.1.7", 1005, 1, 5060)...), "", ""},
		"a local network with IPv6":       {append(at("2001:db8::5", 1001, 3, 5060), at("2001:db8::6", 1004, 3, 5060)...), "", "behind 2001:db8::/64"},
		"a thief with one account's sets": {append(at("192.0.2.66", 1001, 1, 5060), Contact{"1001", netip.MustParseAddr("192.0.2.66"), 5061, "", ""}), "", ""},
	} {
		p := New(Config{}, nil)
		p.SetContacts(noon, tc.contacts, never)
		if tc.own != "" {
			p.SetOwn([]netip.Addr{netip.MustParseAddr(tc.own)})
		}
		got := p.Front()
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if len(tc.contacts) == 0 {
			continue
		}
		source := event.SourcePrefix(tc.contacts[0].Source)
		if vital := p.Vital(source); (vital == "") != (tc.want == "") {
			t.Errorf("%s: vital %q", name, vital)
		}
		if p.Vital(event.NetworkPrefix(source.Addr())) != "" || p.Vital(netip.MustParsePrefix("192.0.2.99/32")) != "" {
			t.Errorf("%s: more is vital than the address", name)
		}
	}
}

// A front lasts while hardly anybody is registered, but not once the phones are elsewhere.
func TestFrontLasts(t *testing.T) {
	all := at("203.0.113.5", 1001, 8, 5070)
	for name, tc := range map[string]struct {
		contacts []Contact
		after    time.Duration
		lasts    bool
	}{
		"after a restart of Asterisk": {all[:1], time.Minute, true},
		"for a day":                   {nil, 23 * time.Hour, true},
		"and no longer":               {nil, 24 * time.Hour, false},
		"the phones moved":            {at("198.51.100.9", 1001, 3, 5060), time.Minute, true},
		"all of them":                 {append(at("198.51.100.9", 1001, 4, 5060), at("198.51.100.10", 1005, 4, 5060)...), time.Minute, false},
	} {
		p := New(Config{}, nil)
		p.SetContacts(noon, all, never)
		p.SetContacts(noon.Add(tc.after), tc.contacts, never)
		if got := p.Front() != ""; got != tc.lasts {
			t.Errorf("%s: %t", name, got)
		}
		if got := p.Objection(netip.MustParsePrefix("203.0.113.0/24")) != ""; got != tc.lasts {
			t.Errorf("%s: its network can be banned: %t", name, !got)
		}
	}
}

// Stolen accounts make no front: their registrations protect nothing.
func TestThievesMakeNoFront(t *testing.T) {
	p := New(Config{}, nil)
	for _, c := range at("192.0.2.66", 1001, 8, 5070) {
		p.MarkThief([]byte(c.Account), event.SourcePrefix(c.Source), noon, true)
	}
	p.SetContacts(noon, at("192.0.2.66", 1001, 8, 5070), never)
	if got := p.Front(); got != "" {
		t.Errorf("%q", got)
	}
}

// Carriers are vital where their address is given, not in a wide prefix of theirs.
func TestVitalCarriers(t *testing.T) {
	p := New(Config{}, nil)
	p.SetCarriers([]Protected{
		{netip.MustParsePrefix("203.0.113.80/32"), "contact of carrier"},
		{netip.MustParsePrefix("203.0.113.96/28"), "identify of carrier"},
		{netip.MustParsePrefix("203.0.113.97/32"), "contact of another"},
	})
	for address, want := range map[string]string{
		"203.0.113.80": "Asterisk's configuration names it (contact of carrier)", "203.0.113.81": "", "203.0.113.100": "",
		"203.0.113.97": "Asterisk's configuration names it (contact of another)",
	} {
		if got := p.Vital(event.SourcePrefix(netip.MustParseAddr(address))); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := fmt.Sprint(p.Vitals()); got != "[203.0.113.80/32 203.0.113.97/32]" {
		t.Errorf("%s", got)
	}
}
