package judge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// callID is how a phone registers with it.
func callID(id, account, source string) string {
	return security("SuccessfulAuth", account, id, source, "UsingPassword: 1\r\n")
}

// A phone keeps its Call-ID when its line's address changes, whatever others guessed
// meanwhile. Whoever has only the password does not know it.
func TestPhoneIsKnownByItsCallID(t *testing.T) {
	const id, own = "5a3c-of-1002@phone", "PJSIP/1002-00000001"
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		want string // incidents
		ends bool   // a costly call from the new address
	}{
		"the phone":             {func(t *testing.T, s *site) { s.hear(t, noon, callID(id, "1002", newPlace)) }, "", false},
		"a thief":               {func(t *testing.T, s *site) { s.hear(t, noon, callID("another-call-id", "1002", newPlace)) }, "new place 1002", true},
		"a colleague's phone":   {func(t *testing.T, s *site) { s.hear(t, noon, callID("5a3c-of-1003@phone", "1002", newPlace)) }, "new place 1002", true},
		"a session of chan_sip": {func(t *testing.T, s *site) { s.hear(t, noon, of("SIP", callID("0x7f33a8000b60", "1002", newPlace))) }, "new place 1002", true},
		"one that is too short": {func(t *testing.T, s *site) { s.hear(t, noon, callID("1@1002", "1002", newPlace)) }, "new place 1002", true},
		"the phone guessed, too": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failures("1002", newPlace, 4))+callID(id, "1002", newPlace))
		}, "", false},
		"a thief who guessed": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failures("1002", newPlace, 4))+callID("another-call-id", "1002", newPlace))
		}, "break-in 1002", false},
		"its call comes before its registration": {func(t *testing.T, s *site) {
			s.hear(t, noon, callID("that-of-an-invite", "1002", newPlace)+callID(id, "1002", newPlace))
		}, "new place 1002", false},
		"a thief tries for long": {func(t *testing.T, s *site) {
			s.hear(t, noon, callID("that-of-an-invite", "1002", newPlace))
			s.hear(t, noon.Add(11*time.Minute), callID(id, "1002", newPlace))
		}, "new place 1002", true},
		"after a break-in": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failures("1002", "198.18.7.66", 4)+success("1002", "198.18.7.66")))
			s.PasswordChanged(noon, "1002")
			s.hear(t, noon.Add(8*24*time.Hour), over("TCP", guessedAt("1002"))+callID(id, "1002", newPlace))
		}, "break-in 1002, new place 1002", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon.Add(-time.Hour), callID(id, "1002", office)+callID("5a3c-of-1003@phone", "1003", office)+
				of("SIP", callID("0x7f33a8000b60", "1002", office))+callID("1@1002", "1002", office))
			s.hear(t, noon.Add(-time.Minute), guessedAt("1002"))
			tc.do(t, s)
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
			if strings.Contains(tc.want, "break-in") {
				return
			}
			s.effects()
			s.calls(t, noon.Add(20*time.Minute), newPlace, own, france)
			if got := strings.Contains(s.effects(), "end "+own); got != tc.ends {
				t.Errorf("the call was ended: %t", got)
			}
		})
	}
}

// A Call-ID that is used again and again stays known, however many calls there are.
func TestCallsDoNotPushOutACallID(t *testing.T) {
	s := owned(t, suspecting())
	for hour := range 12 {
		at := noon.Add(time.Duration(hour-12) * time.Hour)
		s.hear(t, at, callID("of-the-registration", "1002", office))
		for n := range 25 {
			s.hear(t, at.Add(time.Duration(n)*time.Minute), callID(fmt.Sprintf("of-call-%d-%d", hour, n), "1002", office))
		}
	}
	s.hear(t, noon, guessedAt("1002")+callID("of-the-registration", "1002", newPlace))
	if got := s.verdicts(); got != "" {
		t.Errorf("incidents %s", got)
	}
}

// aPhones is what one address can have in a day: nine guesses in 150 seconds.
const aPhones = 9 * 24 * 3600 / 150

// How many guesses a day somebody gets who passes for the account's phone with an old
// password, at most, trying all the time, from as many ports and addresses as are good for.
// Where nobody passes for one, three guesses get an address banned.
func TestGuessesOfWhoPassesForAPhone(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(t *testing.T, s *site)
		id     string // its Call-ID
		at     string // a pattern of addresses
		want   int    // at all addresses together
	}{
		"nobody":                         {func(*testing.T, *site) {}, "", "203.0.%d.9", 6 * 3},
		"after a change of the password": {func(_ *testing.T, s *site) { s.PasswordChanged(noon, "1002") }, "", "203.0.%d.9", 3*aPhones + 3*3},
		"with the phone's Call-ID":       {func(t *testing.T, s *site) { s.hear(t, noon, callID("5a3c-of-1002@phone", "1002", office)) }, "5a3c-of-1002@phone", "203.0.%d.9", 3*aPhones + 3*3},
		"where the owner is on probation": {func(t *testing.T, s *site) {
			s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
		}, "", newPlace + "%.0d", aPhones},
	} {
		t.Run(name, func(t *testing.T) {
			most := 0
			for _, every := range []time.Duration{time.Second, 7 * time.Second, 10 * time.Second, 30 * time.Second} {
				s := owned(t, guessing(3))
				tc.before(t, s)
				all := 0
				for i := range 6 { // one address after another, and what it gets in a day
					source := fmt.Sprintf(tc.at, i)
					all += guessesOfADay(t, s, source, tc.id, every)
					if strings.HasPrefix(source, newPlace) {
						break
					}
				}
				most = max(most, all)
			}
			t.Logf("%d guesses in all", most)
			if most > tc.want {
				t.Errorf("%d guesses in a day, want at most %d", most, tc.want)
			}
		})
	}
}

// guessesOfADay has somebody guess over TCP for two hours, three times over each connection,
// and returns how many guesses that would be in a day.
func guessesOfADay(t *testing.T, s *site, source, id string, every time.Duration) (n int) {
	addr := netip.MustParseAddr(source)
	const hours = 2
	for tick := range int(hours * time.Hour / every) {
		at := noon.Add(time.Minute + time.Duration(tick)*every)
		if _, banned := s.Bans.Covering(at, netip.PrefixFrom(addr, addr.BitLen())); banned {
			return n
		}
		port := 40000 + tick/3%20000
		if slices.ContainsFunc(s.Partial.List(at), func(b incident.PartialBlock) bool {
			return b.InForce(at) && (b.Kind == incident.ClosedAddress || b.Flow == netip.AddrPortFrom(addr, uint16(port)))
		}) {
			continue
		}
		session := id
		if session == "" {
			session = fmt.Sprint("guess-", tick)
		}
		s.hear(t, at, over("TCP", from(port, security("ChallengeResponseFailed", "1002", session, source, "Challenge: 1/a\r\nResponse: b\r\nExpectedResponse: \r\n"))))
		if n++; tick%60 == 0 {
			s.Prune(at)
		}
	}
	return n * 24 / hours
}
