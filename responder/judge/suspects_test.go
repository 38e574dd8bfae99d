package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/sip"
)

// guessesAt plays guesses from a port of an address, each two seconds after the last.
func (s *site) guessesAt(t *testing.T, at time.Time, source string, port, n int) time.Time {
	t.Helper()
	for i := range n {
		s.hear(t, at, from(port, failure("1003", source, int(at.Unix())+i)))
		at = at.Add(2 * time.Second)
	}
	return at
}

// throttling is a site that bans at three wrong passwords.
func throttling(t *testing.T, throttles bool) *site {
	t.Helper()
	p := guessing(3)
	p.Throttles = throttles
	return newSite(t, p)
}

// A guesser at an address where others live is throttled, and the phones there are
// left alone. It goes on as long as the guesses do.
func TestGuesserAtAProtectedAddressIsThrottled(t *testing.T) {
	s := throttling(t, true)
	s.registered(noon, "1001", "1002")
	at := s.guessesAt(t, noon, office, 40000, 3)
	if got, want := s.effects(), "suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5070 198.51.100.10:5071]; record password guessing 198.51.100.10"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if step := s.incidents[0].Steps[0]; !strings.Contains(step.Detail, "at most 10 guesses a minute") {
		t.Errorf("ban %s: %s", step.State, step.Detail)
	}
	s.guessesAt(t, at, office, 40000, 3)
	if got := s.effects(); got != "" {
		t.Errorf("at once again: %s", got)
	}
	s.guessesAt(t, noon.Add(9*time.Minute), office, 40000, 3)
	if got, want := s.effects(), "suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5070 198.51.100.10:5071]"; got != want {
		t.Errorf("shortly before its end: %s\nwant %s", got, want)
	}
	if got := s.bans(noon.Add(10 * time.Minute)); got != "" {
		t.Errorf("bans %s", got)
	}
}

// Somebody with an account of its own guesses at others from the port that it is
// registered from: that conversation is decided about, too, and stays so.
func TestRegisteredGuesserIsThrottled(t *testing.T) {
	s := throttling(t, true)
	s.registered(noon, "1001", "1002")
	at := s.guessesAt(t, noon, office, 5070, 3)
	want := "suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5071]"
	if got := s.effects(); !strings.HasPrefix(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	s.hear(t, at, strings.ReplaceAll(success("1001", office), "/5060\r\n", "/5070\r\n"))
	if got := s.effects(); got != "" {
		t.Errorf("after it signed in: %s", got)
	}
	s.guessesAt(t, noon.Add(9*time.Minute), office, 40000, 3)
	if got := s.effects(); got != want {
		t.Errorf("renewed: %s\nwant %s", got, want)
	}
}

// Phones behind a proxy share its address and port. A guesser behind it has none of them
// cut off, and the incident says why.
func TestProxyIsLeftAlone(t *testing.T) {
	behind := func(t *testing.T, n int) *site {
		s := throttling(t, true)
		var contacts []places.Contact
		for i := range n {
			contacts = append(contacts, places.Contact{Account: fmt.Sprint(1001 + i), Source: netip.MustParseAddr(office), Port: 5060})
		}
		for i := range 2 { // elsewhere, so that not all phones are behind it
			contacts = append(contacts, places.Contact{Account: fmt.Sprint(2001 + i), Source: netip.MustParseAddr("198.51.100.11"), Port: uint16(5060 + i)})
		}
		s.SetContacts(noon, contacts, nil)
		return s
	}
	for name, tc := range map[string]struct {
		phones int
		want   string // of the step
	}{
		"a proxy":                  {5, "4 other extensions use the same address and port"},
		"a phone with three lines": {3, "protected"},
	} {
		s := behind(t, tc.phones)
		s.guessesAt(t, noon, office, 5060, 3)
		if step := s.incidents[0].Steps[0]; !strings.Contains(step.Detail, tc.want) {
			t.Errorf("%s: %s: %s", name, step.State, step.Detail)
		}
		if !strings.Contains(s.effects(), "suspect") {
			t.Errorf("%s: not throttled", name)
		}
	}
}

// A phone that has got in from another port is left alone from then on.
func TestPhoneThatSignsInAtASuspect(t *testing.T) {
	s := throttling(t, true)
	s.registered(noon, "1001", "1002")
	at := s.guessesAt(t, noon, office, 40000, 3)
	s.effects()
	signIn := func(account string, port int) {
		s.hear(t, at, strings.ReplaceAll(success(account, office), "/5060\r\n", fmt.Sprintf("/%d\r\n", port)))
	}
	for range 2 {
		signIn("1002", 50001)
	}
	if got, want := s.effects(), "suspect 198.51.100.10 for 9m58s, but not [198.51.100.10:5070 198.51.100.10:5071 198.51.100.10:50001]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Somebody with an account signs in from a new port for every few guesses: after some,
// that helps no more.
func TestGuesserWhoSignsInFromManyPorts(t *testing.T) {
	s := throttling(t, true)
	s.registered(noon, "1001", "1002")
	at, passed := s.guessesAt(t, noon, office, 40000, 3), 0
	for port := 50000; port < 50020; port++ {
		s.effects()
		s.hear(t, at, strings.ReplaceAll(success("1002", office), "/5060\r\n", fmt.Sprintf("/%d\r\n", port)))
		if s.effects() != "" {
			passed++
		}
		at = s.guessesAt(t, at, office, port, 3)
	}
	if passed != 3 {
		t.Errorf("%d conversations pass, want 3", passed)
	}
}

// Nobody is throttled who is banned, is on the allow list, is a carrier or guesses over
// TCP, nor if the kernel lets us decide about nothing.
func TestWhoIsNotThrottled(t *testing.T) {
	for name, tc := range map[string]struct {
		throttles bool
		before    func(s *site)
		events    func(source string) string
		source    string
		want      string // of the step
	}{
		"an unknown address": {true, nil, nil, thief, ""},
		"a carrier": {true, func(s *site) {
			s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Why: "identify"}})
		}, nil, office, "protected (identify), and the evidence can be spoofed"},
		"on the allow list":    {true, func(s *site) { s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}) }, nil, office, "on the allow list"},
		"chan_sip over TCP":    {true, func(s *site) { s.registered(noon, "1001") }, func(source string) string { return of("SIP", over("TCP", failures("1003", source, 3))) }, office, "protected (registered contact of 1001), and the evidence can be spoofed; nothing is let in from there over TCP, TLS and WebSocket until 2026-11-22 12:10:00 UTC, except from the registered phones; `tollwarden unban 198.51.100.10` ends that"},
		"the kernel cannot":    {false, func(s *site) { s.registered(noon, "1001") }, nil, office, "protected (registered contact of 1001), and the evidence can be spoofed"},
		"a phone's own places": {true, func(s *site) { s.registered(noon, "1001") }, nil, office, "protected (registered contact of 1001), and the evidence can be spoofed; throttled until 2026-11-22 12:10:00 UTC, and longer while it goes on: at most 10 guesses a minute get through over UDP, the registered phones keep working; `tollwarden unban 198.51.100.10` ends that"},
	} {
		s := throttling(t, tc.throttles)
		if tc.before != nil {
			tc.before(s)
		}
		events := failures("1003", tc.source, 3)
		if tc.events != nil {
			events = tc.events(tc.source)
		}
		s.hear(t, noon, events)
		if got, want := s.effects(), strings.Contains(tc.want, "throttled"); strings.Contains(got, "suspect") != want {
			t.Errorf("%s: %s", name, got)
		}
		if got := s.incidents[0].Steps[0].Detail; got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// Whoever is sent the refusal of a request that came from elsewhere is suspected at
// once, and never banned for it: anybody can have one sent to it.
func TestReceiverOfMisdirectedRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		before   func(s *site)
		exchange exchange
		want     string
	}{
		"an unknown address":    {nil, exchange{"REGISTER", "1002", "1/x", "", thief, 401, digest}, "suspect 192.0.2.66 for 10m0s, but not []"},
		"of an unknown account": {nil, exchange{"REGISTER", "nobody", "1/x", "", thief, 401, digest}, "suspect 192.0.2.66 for 10m0s, but not []"},
		"chan_sip":              {nil, exchange{"SUBSCRIBE", "2001", "x", "", thief, 403, ""}, "suspect 192.0.2.66 for 10m0s, but not []"},
		"a success":             {nil, exchange{"REGISTER", "1002", "1/x", "", thief, 200, ""}, ""},
		"a carrier": {
			func(s *site) {
				s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix(thief + "/32"), Why: "identify"}})
			},
			exchange{"REGISTER", "1002", "1/x", "", thief, 401, digest},
			"",
		},
		"an office": {
			func(s *site) { s.registered(noon, "1001") },
			exchange{"REGISTER", "1002", "1/x", "", office, 401, digest},
			"suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5070]",
		},
		"a registered guesser": {
			func(s *site) {
				s.SetContacts(noon, []places.Contact{{Account: "1001", Source: netip.MustParseAddr(office), Port: 5060}}, nil)
			},
			exchange{"REGISTER", "1002", "1/x", "", office, 401, digest},
			"suspect 198.51.100.10 for 10m0s, but not []",
		},
		"a phone that sends from elsewhere": {
			func(s *site) {
				s.SetContacts(noon, []places.Contact{{Account: "1002", Source: netip.MustParseAddr(office), Port: 5060}}, nil)
			},
			exchange{"REGISTER", "1002", "1/x", "", office, 401, digest},
			"",
		},
	} {
		s := wired(t, 3)
		if tc.before != nil {
			tc.before(s)
		}
		for n := range 20 {
			tc.exchange.from = fmt.Sprintf("203.0.113.%d", n)
			s.wire(t, noon.Add(time.Duration(n)*time.Second), n, tc.exchange)
		}
		if got := s.effects(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if got := s.bans(noon.Add(time.Minute)); got != "" {
			t.Errorf("%s: bans %s", name, got)
		}
	}
}

// Answers are misdirected to more addresses than can be suspected at once: whoever comes
// later is suspected all the same, and who guesses stays so.
func TestMoreSuspectsThanFit(t *testing.T) {
	s := wired(t, 3)
	s.registered(noon, "1001")
	misdirect := func(n int, to string) {
		s.wire(t, noon, n, exchange{"REGISTER", "1002", "1/x", "203.0.113.1", to, 401, digest})
	}
	s.guessesAt(t, noon, office, 40000, 3)
	for n := range 5000 {
		misdirect(n, fmt.Sprintf("10.0.%d.%d", n/250, n%250))
	}
	if got := s.effects(); strings.Contains(got, "suspect "+office+" for 0s") {
		t.Errorf("the guesser is forgotten: %s", got)
	}
	misdirect(6000, thief)
	if got := s.effects(); !strings.HasSuffix(got, "suspect 192.0.2.66 for 10m0s, but not []") {
		t.Errorf("the next one: %s", got)
	}
}

// What finds the queue to the kernel full is suspected at the next occasion.
func TestSuspectWithoutRoom(t *testing.T) {
	s := wired(t, 100)
	for n, want := range []string{"", "suspect 192.0.2.66 for 10m0s, but not []", ""} {
		s.noRoom = n == 0
		s.wire(t, noon, n, exchange{"REGISTER", "1002", "1/x", "203.0.113.1", thief, 401, digest})
		if got := s.effects(); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// chan_sip names the address that a request wants its response sent to, not its
// sender: whoever is named so is not blamed.
func TestChanSIPBlamesTheWrongAddress(t *testing.T) {
	const victim = "203.0.113.50"
	for name, tc := range map[string]struct {
		answerTo, service string
		want              string
	}{
		"named by a request": {victim, "SIP", ""},
		"itself":             {thief, "SIP", victim + "/32 sip #0"},
		"PJSIP":              {victim, "PJSIP", victim + "/32 sip #0"},
	} {
		s := wired(t, 3)
		r, _ := sip.ParseRequest([]byte("INVITE sip:1@pbx SIP/2.0\r\nVia: SIP/2.0/UDP a;maddr=" + tc.answerTo + "\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n"))
		s.Received(noon, netip.MustParseAddrPort(thief+":5060"), &r)
		s.hear(t, noon, of(tc.service, failures("1003", victim, 5)))
		if got := s.bans(noon.Add(time.Minute)); got != tc.want {
			t.Errorf("%s: bans %q, want %q", name, got, tc.want)
		}
	}
}
