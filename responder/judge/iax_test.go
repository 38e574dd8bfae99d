package judge_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// overIAX is a site whose extension 2001 speaks IAX2 and SIP, and dialin IAX2 without
// registering.
func overIAX(t *testing.T) *site {
	p := suspecting()
	p.Thresholds = append(p.Thresholds, score.Threshold{Name: "unseen", Per: score.PerAccount, Points: map[score.Signal]int{score.UnseenLogin: 1}, Score: 1, Within: time.Hour, Playbook: "end call"})
	s := newSite(t, p)
	s.Calls.List([]calls.Account{
		{Name: "2001", Login: true, Sure: true}, {Name: "2001", Login: true, Unannounced: true}, {Name: "dialin", Unannounced: true},
	})
	s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix("203.0.113.99/32"), Why: "IAX2 peer branch"}})
	s.SetUnannounced(noon.Add(-time.Hour), at("2001", office))
	s.effects()
	return s
}

func at(account, address string) []places.Contact {
	return []places.Contact{{Account: account, Source: netip.MustParseAddr(address), Port: 4569}}
}

// guessesOverIAX are lines of Asterisk's log about guesses from three addresses.
func (s *site) guessesOverIAX(now time.Time, account string) {
	for i, from := range []string{"192.0.2.31:4569", "192.0.2.31:4570", "192.0.2.32:4569", "192.0.2.32:4570", "192.0.2.33:4569"} {
		_, log := intake.LogSensors(0)
		s.Event(now.Add(time.Duration(i)*100*time.Millisecond), log, &event.Event{
			Kind: event.InvalidPassword, Service: []byte("IAX2"), AccountID: []byte(account), Remote: netip.MustParseAddrPort(from),
		})
	}
}

// answer answers the last question.
func (s *site) answer(now time.Time, from string) {
	addr, _ := netip.ParseAddr(from)
	s.Located(now, s.asked[len(s.asked)-1], netip.AddrPortFrom(addr, 0), nil)
}

// A registration over IAX2 from a new place counts like a login over SIP: after guesses
// the address is on probation; without, and again at home, nothing happens. None of them
// is a registration whose login was not seen.
func TestRegistrationsOverIAX2(t *testing.T) {
	for name, c := range map[string]struct {
		guessed bool
		at      string
		want    string
	}{
		"at home":                       {true, office, ""},
		"elsewhere after guesses":       {true, newPlace, "new place 2001"},
		"elsewhere without any guesses": {false, newPlace, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := overIAX(t)
			s.hear(t, noon.Add(-time.Minute), success("2001", office)) // over SIP, so that its logins are known to be seen
			if c.guessed {
				s.guessesOverIAX(noon, "2001")
			}
			for n := range 3 {
				now := noon.Add(time.Duration(n+1) * 5 * time.Minute)
				s.ExpectUnannounced(at("2001", c.at))
				s.SetContacts(now, at("2001", c.at), nil)
				s.SetUnannounced(now, at("2001", c.at))
			}
			if got := s.verdicts(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A call over IAX2 is judged once Asterisk has said where it comes from.
func TestCallsOverIAX2(t *testing.T) {
	const channel = "IAX2/2001-12345"
	for name, c := range map[string]struct {
		channel, number, from string
		want, ends            string
	}{
		"inside the country":                     {channel, domestic, newPlace, "new place 2001", ""},
		"abroad from a new place":                {channel, france, newPlace, "new place 2001", "end " + channel},
		"abroad from home":                       {channel, france, office, "", ""},
		"forbidden from a new place":             {channel, premium, newPlace, "break-in 2001", "end " + channel},
		"a trunk's caller":                       {"IAX2/dialin-7", france, "203.0.113.99", "", ""},
		"a guest":                                {"IAX2/192.0.2.66:4569-7", france, "", "", ""},
		"a branch without an account of its own": {"IAX2/203.0.113.99:4570-7", france, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := overIAX(t)
			s.asks = true
			s.guessesOverIAX(noon, "2001")
			s.effects()
			s.rings(noon.Add(time.Minute), c.channel, c.number)
			if _, up := s.Calls.Channel(c.channel); !up {
				t.Error("the channel is not tracked while Asterisk is asked")
			}
			if c.from != "" {
				s.asks = false
				s.answer(noon.Add(time.Minute), c.from)
			}
			// No login is missed: over IAX2 none is raised.
			s.Watch(noon.Add(2 * time.Minute))
			got := s.effects()
			if v := s.verdicts(); v != c.want {
				t.Errorf("%q, want %q (%s)", v, c.want, got)
			}
			if (c.ends != "") != (got != "" && strings.Contains(got, "end "+c.channel)) {
				t.Errorf("%q, want %q", got, c.ends)
			}
		})
	}
}
