package places

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/score"
)

func (p *Places) residentsAt(now time.Time, source netip.Addr) string {
	var names []string
	for name := range p.Residents(now, event.SourcePrefix(source)) {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// Who lives at an address: whoever succeeded there within the time, whether registered,
// from the ledger, or just now; no thief.
func TestResidents(t *testing.T) {
	p := New(Config{}, nil)
	p.Know("1001", office, noon.Add(-29*24*time.Hour))
	p.Know("1002", office, noon)
	p.Succeed([]byte("1003"), event.SourcePrefix(office), noon)
	p.Succeed([]byte("1003"), event.SourcePrefix(office), noon.Add(time.Second))
	p.MarkThief([]byte("1004"), event.SourcePrefix(office), noon, true)
	p.Know("1005", home, noon)
	says := func(when string, at time.Time, want string) {
		t.Helper()
		if got := p.residentsAt(at, office); got != want {
			t.Errorf("%s: %s live there, want %s", when, got, want)
		}
	}
	says("now", noon, "1001 1002 1003")
	says("after a week", noon.Add(7*24*time.Hour), "1002 1003")
	p.Know("1001", office, noon.Add(7*24*time.Hour))
	says("1001 comes back", noon.Add(7*24*time.Hour), "1001 1002 1003")
	later := noon.Add(31 * 24 * time.Hour)
	p.Prune(later)
	says("pruned", later, "1001")
	p.Prune(later.Add(30 * 24 * time.Hour))
	if n := p.residents.at.Size(); n != 0 {
		t.Errorf("%d addresses kept for ever", n)
	}
	p.Succeed([]byte("1002"), event.SourcePrefix(office), later.Add(31*24*time.Hour))
	says("after a long time", later.Add(31*24*time.Hour), "1002")
}

func everybody(string) bool { return true }

func TestInhabited(t *testing.T) {
	p := New(Config{}, nil)
	p.Know("1001", office, noon)
	for network, want := range map[string]bool{"198.51.100.0/24": true, "198.51.100.10/32": true, "198.51.100.11/32": false, "198.51.0.0/16": true, "192.0.2.0/24": false} {
		if got := p.Inhabited(noon, netip.MustParsePrefix(network), everybody); got != want {
			t.Errorf("%s is inhabited: %t", network, got)
		}
	}
	if p.Inhabited(noon.Add(31*24*time.Hour), netip.MustParsePrefix("198.51.100.0/24"), everybody) {
		t.Error("inhabited for ever")
	}
	if p.Inhabited(noon, netip.MustParsePrefix("198.51.100.0/24"), func(account string) bool { return account != "1001" }) {
		t.Error("inhabited by an account that does not count")
	}
}

// One address has room for so many accounts, of which those that are outdated go first;
// whoever is registered there is known besides.
func TestResidentsAreBounded(t *testing.T) {
	p := New(Config{}, nil)
	var contacts []Contact
	for i := range 2 * maxResidents {
		p.Know(fmt.Sprint(1001+i), office, noon)
		contacts = append(contacts, Contact{Account: fmt.Sprint(1001 + i), Source: office, Port: uint16(5000 + i)})
	}
	if n := len(strings.Fields(p.residentsAt(noon, office))); n != maxResidents {
		t.Errorf("%d residents", n)
	}
	p.SetContacts(noon, contacts, never)
	if n := len(strings.Fields(p.residentsAt(noon, office))); n != 2*maxResidents {
		t.Errorf("%d residents with those that are registered", n)
	}
	p.SetContacts(noon, nil, never)
	later := noon.Add(31 * 24 * time.Hour)
	p.Know("2000", office, later)
	if got := p.residentsAt(later, office); got != "2000" {
		t.Errorf("residents %s", got)
	}
}

// Whose password somebody else has vouches for nothing, until it is changed.
func TestVouches(t *testing.T) {
	p := New(Config{}, nil)
	p.Know("1001", office, noon)
	p.Compromise(Compromise{Account: "1001", At: noon})
	p.RestoreThief("1002", event.SourcePrefix(thief), noon)
	if p.Vouches("1001", noon) || p.Vouches("1002", noon) || !p.Vouches("1003", noon) {
		t.Error("vouches although a thief has it, or not although none has")
	}
	p.ForgetThieves("1001")
	p.ForgetThieves("1002")
	if !p.Vouches("1001", noon) || !p.Vouches("1002", noon) {
		t.Error("does not vouch with a new password")
	}
}

// Live are the ports of registrations, also of an account that somebody else fails for at
// the address, and the connections that were last signed in over.
func TestLive(t *testing.T) {
	p := New(Config{}, nil)
	p.Know("1001", office, noon)
	p.Know("1002", office, noon)
	contacts := []Contact{{Account: "1001", Source: office, Port: 5070}, {Account: "1002", Source: office, Port: 5071}}
	p.SetContacts(noon, contacts, failedAt(office, score.Proven))
	over := func(account string, port uint16) {
		p.Connected(&score.Observation{Account: []byte(account), Source: office, Port: port, Transport: event.WSS})
	}
	for port := range uint16(4) {
		over("1001", 50000+port)
		over("1001", 50000+port)
	}
	over("1009", 50009) // not registered
	at := event.SourcePrefix(office)
	want := "[198.51.100.10:5070 198.51.100.10:50003 198.51.100.10:50002 198.51.100.10:5071]"
	if got := fmt.Sprint(p.Live(at)); got != want {
		t.Errorf("live %s, want %s", got, want)
	}
	if why := p.Why(at); why != "" {
		t.Errorf("protected: %s", why)
	}
	if !p.RegisteredBeside("1001", at, []uint16{40000}) || p.RegisteredBeside("1001", at, []uint16{5070}) || p.RegisteredBeside("1003", at, nil) {
		t.Error("registered on other ports")
	}
	p.SetContacts(noon, []Contact{{Account: "1001", Source: office}}, never) // a browser's names no port
	if !p.RegisteredBeside("1001", at, []uint16{40000}) || p.RegisteredBeside("1001", at, []uint16{50002, 50003}) {
		t.Error("registered over other connections")
	}
	p.SetContacts(noon, contacts[1:], never)
	if got := fmt.Sprint(p.Live(at)); got != "[198.51.100.10:5071]" || len(p.connections.last) != 0 {
		t.Errorf("after it signed out: %s, %d kept", got, len(p.connections.last))
	}
}
