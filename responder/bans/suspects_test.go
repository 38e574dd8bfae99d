package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

var suspectNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// throttlings is a Throttler that writes down what it is asked.
type throttlings struct {
	log  []string
	full bool
}

func (l *throttlings) Suspect(at netip.Prefix, within time.Duration, live []netip.AddrPort) bool {
	if !l.full {
		l.log = append(l.log, fmt.Sprintf("%s for %s but %d", incident.PrefixText(at), within, len(live)))
	}
	return !l.full
}

func (l *throttlings) PartialChanged(b incident.PartialBlock, change incident.BanChange) {
	l.log = append(l.log, b.Target()+" "+string(change))
}

func suspectAt(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 32)
}

// An address is throttled until it stops, except for its phones that no guess came from.
func TestSuspects(t *testing.T) {
	office := suspectAt(1)
	phone := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(office.Addr(), port) }
	why := incident.PartialBlock{Kind: incident.ThrottledAddress, Address: office, Origin: "password guessing"}
	const brief = 10 * time.Minute
	add := func(at time.Duration, failed ...netip.AddrPort) func(s *Suspects) {
		return func(s *Suspects) { s.Add(suspectNow.Add(at), why, brief, failed, true) }
	}
	acknowledged := func(err error) func(s *Suspects) {
		return func(s *Suspects) { s.Acknowledged(suspectNow, office, err) }
	}
	signsIn := func(port uint16) func(s *Suspects) {
		return func(s *Suspects) {
			if s.Admits(suspectNow, office, phone(port)) {
				s.Admit(suspectNow, office, phone(port))
			}
		}
	}
	for name, tc := range map[string]struct {
		do   []func(s *Suspects)
		want string
	}{
		"it goes on":           {[]func(*Suspects){add(0), add(time.Minute), add(6 * time.Minute)}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 for 10m0s but 2"},
		"from a phone's port":  {[]func(*Suspects){add(0), add(time.Minute, phone(5060))}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 for 10m0s but 1"},
		"a phone signs in":     {[]func(*Suspects){add(0), signsIn(5062), signsIn(5062)}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 for 10m0s but 3"},
		"where guesses came":   {[]func(*Suspects){add(0, phone(5060)), signsIn(5060)}, "10.0.0.1 for 10m0s but 1"},
		"the kernel takes it":  {[]func(*Suspects){add(0), acknowledged(nil), acknowledged(nil)}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 throttled"},
		"the kernel refuses":   {[]func(*Suspects){add(0), acknowledged(errors.New("no")), add(time.Second)}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 for 10m0s but 2"},
		"it ends":              {[]func(*Suspects){add(0), acknowledged(nil), func(s *Suspects) { s.Prune(suspectNow.Add(brief)) }}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 throttled; 10.0.0.1 ended"},
		"it is ended":          {[]func(*Suspects){add(0), func(s *Suspects) { s.End(func(netip.Prefix) bool { return true }) }}, "10.0.0.1 for 10m0s but 2; 10.0.0.1 for 0s but 0; 10.0.0.1 released"},
		"kept since a restart": {[]func(*Suspects){func(s *Suspects) { b := why; b.Until = suspectNow.Add(time.Hour); s.Restore(b, nil) }, add(0)}, ""},
	} {
		kernel := &throttlings{}
		s := NewSuspects(kernel, func(netip.Prefix) []netip.AddrPort { return []netip.AddrPort{phone(5060), phone(5061)} })
		for _, do := range tc.do {
			do(s)
		}
		if got := strings.Join(kernel.log, "; "); got != tc.want {
			t.Errorf("%s: %s\nwant %s", name, got, tc.want)
		}
	}
}

// A suspect belongs to the incident that its threshold is of, and a person can let it go,
// if the kernel does.
func TestSuspectIsListed(t *testing.T) {
	s := NewSuspects(&throttlings{}, func(netip.Prefix) []netip.AddrPort { return nil })
	at := suspectAt(1)
	s.Add(suspectNow, incident.PartialBlock{Kind: incident.ClosedAddress, Address: at, Origin: "password guessing"}, time.Hour, nil, true)
	for _, x := range []struct {
		crossed []string
		id      int64
	}{{[]string{"scanning"}, 6}, {[]string{"scanning", "password guessing"}, 7}, {[]string{"password guessing"}, 8}} {
		s.Recorded(at, x.crossed, x.id)
	}
	b, ok := s.At(suspectNow, at)
	if !ok || b.Incident != 7 || !slices.Equal(s.List(suspectNow), []incident.PartialBlock{b}) {
		t.Errorf("%+v, %+v", b, s.List(suspectNow))
	}
	undo := s.Remove(at)
	if _, ok := s.At(suspectNow, at); ok {
		t.Error("listed after it was let go")
	}
	undo()
	if _, ok := s.At(suspectNow, at); !ok {
		t.Error("not listed though the kernel throttles it")
	}
	if _, ok := s.At(suspectNow.Add(time.Hour), at); ok || len(s.List(suspectNow.Add(time.Hour))) > 0 {
		t.Error("listed for ever")
	}
}

// There is room for so many. Who received others' answers makes room for a guesser, which
// does not.
func TestSuspectsAreBounded(t *testing.T) {
	for _, guesses := range []bool{false, true} {
		s := NewSuspects(&throttlings{}, func(netip.Prefix) []netip.AddrPort { return nil })
		for n := range MaxSuspects + 1 {
			begun, ok := s.Add(suspectNow, incident.PartialBlock{Address: suspectAt(n)}, time.Hour, nil, guesses)
			if room := n < MaxSuspects || !guesses; begun != room || ok != room {
				t.Fatalf("suspect %d, guesses %t: begun %t, ok %t", n, guesses, begun, ok)
			}
		}
		if s.Restore(incident.PartialBlock{Address: suspectAt(1 << 15), Until: suspectNow.Add(time.Hour)}, nil) {
			t.Error("one more since a restart")
		}
	}
}
