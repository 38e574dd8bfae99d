package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/sip"
)

const trunk = "203.0.113.80"

// withCarrier is a site whose configuration names a carrier, and a wide prefix of another.
func withCarrier(t *testing.T, throttles bool) *site {
	s := newSite(t, guessing(3))
	if throttles {
		s = throttling(t, true)
	}
	s.Places.SetCarriers([]places.Protected{
		{Prefix: netip.MustParsePrefix(trunk + "/32"), Why: "contact of carrier"}, {Prefix: netip.MustParsePrefix("203.0.113.96/28"), Why: "identify of sbc"},
	})
	return s
}

// behindFront is a site whose phones are all at one address, at ports of their own.
func behindFront(t *testing.T, throttles bool) *site {
	s := newSite(t, guessing(3))
	if throttles {
		s = throttling(t, true)
	}
	var list []places.Contact
	for i := range 6 {
		list = append(list, places.Contact{Account: fmt.Sprint(1001 + i), Source: netip.MustParseAddr(office), Port: uint16(5070 + i)})
	}
	s.SetContacts(noon, list, nil)
	return s
}

// A carrier's wrong password, however certain and however often, never bans it, and people
// hear of it. Who guesses elsewhere, or in a wide prefix of a carrier's, is banned.
func TestVitalIsNeverBanned(t *testing.T) {
	many := func(source string) string {
		var b strings.Builder
		for i := range 30 {
			b.WriteString(over("TCP", failure(fmt.Sprint(1001+i%5), source, i)))
		}
		return b.String()
	}
	for name, tc := range map[string]struct {
		site   func(*testing.T, bool) *site
		events string
		source string
		bans   string
		detail string
		advice string
	}{
		"a trunk's wrong password": {withCarrier, over("TCP", failures("carrier2", trunk, 30)), trunk, "", "never banned: Asterisk's configuration names it (contact of carrier)", "correct the password of the trunk"},
		"over UDP":                 {withCarrier, failures("carrier2", trunk, 30), trunk, "", "never banned: Asterisk's configuration names it (contact of carrier)", "correct the password of the trunk"},
		"a guesser at a carrier's": {withCarrier, many(trunk), trunk, "", "never banned", "correct the password of the trunk"},
		"in a wide prefix":         {withCarrier, many("203.0.113.100"), "203.0.113.100", "203.0.113.100/32 all #1", "", ""},
		"somewhere else":           {withCarrier, many(thief), thief, thief + "/32 all #1", "", ""},
		"behind a front":           {behindFront, many(office), office, "", "", ""},
		"not behind the front":     {behindFront, many(thief), thief, thief + "/32 all #1", "", ""},
	} {
		s := tc.site(t, false)
		s.hear(t, noon, tc.events)
		now := noon.Add(time.Minute)
		if got := s.bans(now); got != tc.bans {
			t.Errorf("%s: bans %q, want %q", name, got, tc.bans)
		}
		if len(s.incidents) != 1 {
			t.Errorf("%s: %s", name, s.verdicts())
			continue
		}
		if step := s.incidents[0].Steps[0]; !strings.Contains(step.Detail, tc.detail) {
			t.Errorf("%s: %s: %s", name, step.State, step.Detail)
		}
		list := s.Unstopped(now)
		if (len(list) == 1) != (tc.advice != "") || len(list) == 1 && !strings.Contains(list[0].Advice, tc.advice) {
			t.Errorf("%s: attacks that go on: %+v", name, list)
		}
	}
}

// Whoever guesses over UDP at a vital address is throttled; a carrier is so only if its
// address is certain.
func TestVitalIsThrottled(t *testing.T) {
	front := behindFront(t, true)
	front.guessesAt(t, noon, office, 40000, 3)
	if got := front.effects(); !strings.HasPrefix(got, "suspect "+office) {
		t.Errorf("a front: %s", got)
	}
	for proven, want := range map[bool]bool{true: true, false: false} {
		s := withCarrier(t, true)
		if proven {
			s.challenged(noon, trunk)
		}
		s.hear(t, noon, failures("1002", trunk, 3))
		if got := strings.Contains(s.effects(), "suspect "+trunk); got != want {
			t.Errorf("a carrier, proven %t: throttled %t", proven, got)
		}
	}
}

// One phone with a wrong password behind a front loses its flow, as in an office.
func TestStalePhoneBehindAFront(t *testing.T) {
	s := behindFront(t, false)
	s.challenged(noon, office)
	s.hear(t, noon, from(5075, failures("1006", office, 3)))
	if got := s.effects(); !strings.Contains(got, "drop the flow "+office+":5075") || s.bans(noon.Add(time.Second)) != "" {
		t.Errorf("%s; bans %s", got, s.bans(noon.Add(time.Second)))
	}
}

// A ban from before its address was known to be vital is to be released, unless a person
// wanted it.
func TestVitalBans(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, over("TCP", failures("1002", trunk, 3)))
	s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
	if got := s.VitalBans(noon.Add(time.Second)); len(got) != 0 {
		t.Errorf("before: %+v", got)
	}
	s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix(trunk + "/32"), Why: "contact of carrier"}})
	if got := s.VitalBans(noon.Add(time.Second)); len(got) != 1 || got[0].Prefix.Addr().String() != trunk {
		t.Errorf("after: %+v", got)
	}
	ban, _ := s.Bans.Exact(noon.Add(time.Second), netip.MustParsePrefix(trunk+"/32"))
	ban.Origin = incident.OriginOperator
	s.Bans.Put(ban)
	if got := s.VitalBans(noon.Add(time.Second)); len(got) != 0 {
		t.Errorf("a person's: %+v", got)
	}
}

// A break-in takes the protection of the account's registrations away, in mode observe,
// too, until the password is changed. The guesses of others alone take nothing.
func TestCompromiseIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		events string
		kept   bool
	}{
		"guesses, then a success": {over("TCP", failures("1002", thief, 4)+success("1002", thief)), true},
		"guesses alone":           {failures("1002", thief, 40), false},
	} {
		p := guessing(100)
		p.Observe = true
		s := newSite(t, p)
		s.hear(t, noon, tc.events)
		if got := s.compromised.Account == "1002"; got != tc.kept || tc.kept && s.compromised.Source.Addr().String() != thief {
			t.Errorf("%s: kept %+v", name, s.compromised)
		}
		contacts := []places.Contact{{Account: "1001", Source: netip.MustParseAddr(office), Port: 5070}, {Account: "1002", Source: netip.MustParseAddr(thief), Port: 5060}}
		s.SetContacts(noon.Add(time.Minute), contacts, nil)
		if why := s.Places.Why(netip.MustParsePrefix(thief + "/32")); tc.kept && why != "" {
			t.Errorf("%s: the thief is protected: %s", name, why)
		}
		if s.Places.Why(netip.MustParsePrefix(office+"/32")) == "" {
			t.Errorf("%s: another account's phone is not protected", name)
		}
		if list := s.StolenPasswords(noon.Add(time.Minute)); (len(list) == 1) != tc.kept {
			t.Errorf("%s: %q", name, list)
		}
		if strings.Contains(s.PhonesOf(noon.Add(time.Minute), "1002"), thief) {
			t.Errorf("%s: the thief's address is listed as a phone's", name)
		}
		if s.PasswordChanged(noon.Add(time.Hour), "1002"); len(s.StolenPasswords(noon.Add(time.Hour))) != 0 {
			t.Errorf("%s: after a change of password", name)
		}
	}
}

// Who belongs here is not scanning: a carrier, whatever it names, and a phone that keeps
// its connection alive. The same from elsewhere is.
func TestPingsOfCarriersAndPhones(t *testing.T) {
	ping := func(s *site, at time.Time, method, name, source string, port int) {
		session := fmt.Sprint(method, name, at.UnixMilli())
		if method != "" {
			s.Received(at, netip.AddrPortFrom(netip.MustParseAddr(source), uint16(port)), &sip.Request{
				Method: []byte(method), ID: sip.Transaction{CallID: []byte(session), Method: []byte(method), Number: 1},
			})
		}
		events := security("InvalidAccountID", name, session, source, "") + security("ChallengeSent", "<unknown>", session, source, "Challenge: \r\n")
		s.hear(t, at, strings.ReplaceAll(events, source+"/5060", fmt.Sprintf("%s/%d", source, port)))
	}
	for name, tc := range map[string]struct {
		method, source string
		port           int
		same           bool // always one name
		scans          bool
	}{
		"a carrier's pings":               {"OPTIONS", trunk, 5060, true, false},
		"a carrier's calls":               {"INVITE", trunk, 5060, false, false},
		"one in a wide prefix":            {"OPTIONS", "203.0.113.100", 5060, false, false},
		"a phone's keep-alives":           {"NOTIFY", office, 5070, false, false},
		"a phone that looks for accounts": {"REGISTER", office, 5070, false, true},
		"from another port there":         {"OPTIONS", office, 6000, false, true},
		"monitoring":                      {"OPTIONS", thief, 5060, true, false},
		"a scanner":                       {"OPTIONS", thief, 5060, false, true},
		"a scanner over TCP":              {"", thief, 5060, false, true},
	} {
		s := withCarrier(t, false)
		s.registered(noon, "1001", "1002")
		for i := range 20 {
			account := fmt.Sprint(2000 + i)
			if tc.same {
				account = "nagios"
			}
			ping(s, noon.Add(time.Duration(i)*30*time.Second), tc.method, account, tc.source, tc.port)
		}
		if got := len(s.incidents) > 0; got != tc.scans {
			t.Errorf("%s: %s", name, s.verdicts())
		}
	}
}

// Over ever new connections, the router of the only office is closed but for its phones. A
// relay that all phones come through, wherever they are, is not: each connection is cut.
func TestGuesserBehindAFrontGoesOn(t *testing.T) {
	for source, closed := range map[string]bool{office: true, "172.17.0.1": false} {
		s := sharing(t)
		var list []places.Contact
		for i := range 6 {
			list = append(list, places.Contact{Account: fmt.Sprint(1001 + i), Source: netip.MustParseAddr(source), Port: uint16(5070 + i)})
		}
		s.SetContacts(noon, list, nil)
		for port := 40000; port < 40020; port++ {
			events := strings.ReplaceAll(over("TCP", failures("1001", source, 3)), "/5060\r\n", fmt.Sprintf("/%d\r\n", port))
			s.hear(t, noon.Add(time.Duration(port-40000)*time.Second), events)
		}
		got := s.effects()
		if strings.Contains(got, "close "+source) != closed || !closed && strings.Count(got, "drop the connection") != 20 {
			t.Errorf("%s: %s", source, got)
		}
		if got := s.bans(noon.Add(time.Minute)); got != "" {
			t.Errorf("%s: bans %s", source, got)
		}
	}
}
