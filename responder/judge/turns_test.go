package judge_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/bans"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// takesTurns is the threshold per network, far above what these tests play.
var takesTurns = score.Threshold{
	Name: "network takes turns", Per: score.PerNetwork, Score: 1000, Within: 24 * time.Hour, Playbook: "block",
	Points: map[score.Signal]int{score.InvalidPassword: 1, score.ChallengeResponseFailed: 1},
}

// climbing is a policy whose bans on spoofable evidence climb, also of networks.
func climbing() judge.Policy {
	p := guessing(3)
	p.Thresholds = append(p.Thresholds, takesTurns)
	p.Ladder.Spoofable = []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}
	return p
}

// guess is a wrong password over UDP, which proves nothing.
func (s *site) guess(at time.Time, source string) { s.guessOver(at, source, event.UDP) }

func (s *site) guessOver(at time.Time, source string, over event.Transport) {
	s.Event(at, intake.SensorAMI, &event.Event{
		Kind: event.InvalidPassword, Service: []byte("SIP"), AccountID: []byte("1002"), SessionID: fmt.Appendf(nil, "%s-%d", source, at.UnixNano()),
		Remote: netip.AddrPortFrom(netip.MustParseAddr(source), 5060), Transport: over,
	})
}

// A guesser who goes on after each ban is kept out longer each time, but not where
// an account lives, nor by a ban that drops everything.
func TestSpoofableBansClimb(t *testing.T) {
	const near = "192.0.77.7" // the same /16
	for name, tc := range map[string]struct {
		prepare func(*site)
		over    event.Transport
		forever bool
		pause   time.Duration // after each ban
		guesses int           // that bring the next one
		want    string
	}{
		"one guess brings the next": {over: event.UDP, guesses: 1, want: "10m0s #1, 1h0m0s #2, 4h0m0s #3, 24h0m0s #4, 24h0m0s #5"},
		"days later":                {over: event.UDP, pause: 3 * 24 * time.Hour, guesses: 3, want: "10m0s #1, 1h0m0s #2, 4h0m0s #3, 24h0m0s #4, 24h0m0s #5"},
		"weeks later":               {over: event.UDP, pause: 8 * 24 * time.Hour, guesses: 3, want: "10m0s #1, 10m0s #1, 10m0s #1, 10m0s #1, 10m0s #1"},
		"near an account": {
			prepare: func(s *site) { s.Places.Know("1001", netip.MustParseAddr(near), noon) },
			over:    event.UDP, guesses: 1, want: "10m0s #1, 10m0s #2, 10m0s #3, 10m0s #4, 10m0s #5",
		},
		"near an account of long ago": {
			prepare: func(s *site) { s.Places.Know("1001", netip.MustParseAddr(near), noon.Add(-places.LivedFor)) },
			over:    event.UDP, guesses: 1, want: "10m0s #1, 1h0m0s #2, 4h0m0s #3, 24h0m0s #4, 24h0m0s #5",
		},
		"over TCP, where chan_sip can be told anything": {over: event.TCP, guesses: 1, want: "10m0s #0, 10m0s #0, 10m0s #0, 10m0s #0, 10m0s #0"},
		"until a person releases it":                    {over: event.UDP, forever: true, guesses: 1, want: "10m0s #1, 1h0m0s #2, 4h0m0s #3, 24h0m0s #4, forever #5"},
	} {
		t.Run(name, func(t *testing.T) {
			p := climbing()
			p.Ladder.SpoofableForever = tc.forever
			s := newSite(t, p)
			if tc.prepare != nil {
				tc.prepare(s)
			}
			var got []string
			at, guesses := noon, 3
			for range 5 {
				for range guesses {
					at = at.Add(time.Second)
					s.guessOver(at, thief, tc.over)
				}
				ban, ok := s.Bans.Exact(at, netip.MustParsePrefix(thief+"/32"))
				if !ok {
					t.Fatalf("not banned after %v", got)
				}
				if ban.Offence != 0 || s.Offences.Count(at, ban.Prefix) != 0 {
					t.Errorf("an offence: %+v", ban)
				}
				if ban.Forever() {
					got = append(got, fmt.Sprintf("forever #%d", ban.Repeat))
					break
				}
				got = append(got, fmt.Sprintf("%s #%d", ban.Until.Sub(ban.Since), ban.Repeat))
				at, guesses = ban.Until.Add(tc.pause), tc.guesses
				s.Prune(at)
			}
			if got := strings.Join(got, ", "); got != tc.want {
				t.Errorf("bans %s, want %s", got, tc.want)
			}
		})
	}
}

// turn plays guesses from the addresses of a pattern, in turns.
func (s *site) turn(at time.Time, pause time.Duration, pattern string, members, each int) time.Time {
	for range each {
		for n := range members {
			s.guess(at, fmt.Sprintf(pattern, n+1))
			at = at.Add(pause)
		}
	}
	return at
}

// A network whose members take turns is closed for SIP, and only where nobody
// lives. Members count, not points.
func TestNetworksThatTakeTurnsAreClosed(t *testing.T) {
	const v4, v6 = "192.0.2.%d", "2001:db8:66:%x00::1"
	for name, tc := range map[string]struct {
		prepare       func(*site)
		pattern       string
		members, each int
		pause         time.Duration
		want          string // the networks closed
	}{
		"ten addresses":              {nil, v4, 10, 1, time.Second, "192.0.2.0/24"},
		"five, twice":                {nil, v4, 5, 2, time.Second, "192.0.2.0/24"},
		"four, at wire speed":        {nil, v4, 4, 300, time.Millisecond, ""},
		"one, at wire speed":         {nil, v4, 1, 800, time.Millisecond, ""},
		"nine addresses, once":       {nil, v4, 9, 1, time.Second, ""},
		"slowly":                     {nil, v4, 10, 2, 70 * time.Second, ""},
		"addresses of many networks": {nil, "192.0.%d.7", 200, 2, time.Millisecond, ""},
		"the /64s of a /48":          {nil, v6, 10, 1, time.Millisecond, "2001:db8:66::/48"},
		"the /64s of a /56":          {nil, "2001:db8:66:77%02x::1", 10, 1, time.Millisecond, "2001:db8:66:7700::/56"},
		"addresses of a /64":         {nil, "2001:db8:66:7700::%x", 50, 1, time.Millisecond, ""},
		"an account nearby":          {func(s *site) { s.Places.Know("1001", netip.MustParseAddr("192.0.77.7"), noon) }, v4, 10, 2, time.Second, ""},
		"an account far off":         {func(s *site) { s.Places.Know("1001", netip.MustParseAddr("192.1.77.7"), noon) }, v4, 10, 1, time.Second, "192.0.2.0/24"},
		"an account nearby, IPv6":    {func(s *site) { s.Places.Know("1001", netip.MustParseAddr("2001:db8:ffff::7"), noon) }, v6, 10, 2, time.Second, ""},
		"an allowed address in it":   {func(s *site) { s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix("192.0.2.200/32")}) }, v4, 10, 2, time.Second, ""},
		"a carrier in it": {func(s *site) {
			s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix("192.0.2.200/32"), Why: "identify"}})
		}, v4, 10, 2, time.Second, ""},
		"ourselves in it": {func(s *site) { s.Places.SetOwn([]netip.Addr{netip.MustParseAddr("192.0.2.200")}) }, v4, 10, 2, time.Second, ""},
		"no threshold per network": {func(s *site) {
			if err := s.Configure(guessing(3)); err != nil {
				panic(err)
			}
		}, v4, 10, 2, time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, climbing())
			if tc.prepare != nil {
				tc.prepare(s)
			}
			at := s.turn(noon, tc.pause, tc.pattern, tc.members, tc.each)
			var closed []string
			for _, ban := range s.Bans.Closed() {
				if ban.Scope != incident.ScopeSIP || ban.Repeat != 1 || ban.Until.Sub(ban.Since) != 10*time.Minute {
					t.Errorf("%+v", ban)
				}
				closed = append(closed, ban.Prefix.String())
			}
			if got := strings.Join(closed, ", "); got != tc.want {
				t.Errorf("closed at %s: %q, want %q", at.Sub(noon), got, tc.want)
			}
		})
	}
}

// What can be trusted over a connection closes nothing by turns: its members are
// proven or not at all.
func TestTurnsOverTCP(t *testing.T) {
	s := newSite(t, climbing())
	for n := range 40 {
		s.guessOver(noon.Add(time.Duration(n)*time.Second), fmt.Sprintf("192.0.2.%d", n+1), event.TCP)
	}
	if n := len(s.Bans.Closed()); n != 0 {
		t.Errorf("%d networks closed", n)
	}
}

// One incident says what was closed and why; the next time it takes longer.
func TestClosedNetworkComesBack(t *testing.T) {
	s := newSite(t, climbing())
	at := noon
	for n, want := range []string{"10m0s", "1h0m0s", "4h0m0s", "24h0m0s", "24h0m0s"} {
		s.turn(at, time.Second, "192.0.2.%d", 10, 1)
		if len(s.incidents) != n+1 {
			t.Fatalf("%d incidents: %s", len(s.incidents), s.verdicts())
		}
		i := s.incidents[n]
		ban := i.Steps[0].Ban
		if got := ban.Until.Sub(ban.Since).String(); got != want || i.Reason != "10 addresses took turns: 10 wrong passwords within 10m" || i.Threshold != takesTurns.Name || len(i.Evidence) < 10 {
			t.Errorf("%s for %s: %q by %s", ban.Prefix, got, i.Reason, i.Threshold)
		}
		at = ban.Until
		s.Prune(at)
	}
	if got := s.incidents[4].Steps[0].Ban.Rung(); got != "may be spoofed, 5th time in a row" {
		t.Errorf("the fifth time is %q", got)
	}
}

// When an account turns up nearby, the network is released at once, and so is
// what has climbed; a first ban stays.
func TestMovingInReleases(t *testing.T) {
	s := newSite(t, climbing())
	at := s.turn(noon, time.Second, "192.0.2.%d", 10, 1)
	for range 3 {
		s.guess(at, "192.0.8.8")
		at = at.Add(time.Second)
	}
	at = at.Add(11 * time.Minute)
	s.guess(at, "192.0.8.8") // the second time
	s.turn(at, time.Second, "192.0.2.%d", 10, 1)
	for range 3 {
		at = at.Add(time.Second)
		s.guess(at, "192.0.7.7")
	}
	at = at.Add(20 * time.Second)
	s.effects()
	s.hear(t, at, over("TCP", success("1001", "192.0.200.1")))
	if got, want := s.bans(at), "192.0.7.7/32 sip #0"; got != want {
		t.Errorf("bans %s, want %s", got, want)
	}
	if got := s.effects(); !strings.Contains(got, "release 192.0.2.0/24: an extension is used nearby") || !strings.Contains(got, "release 192.0.8.8: ") {
		t.Errorf("effects: %s", got)
	}
}

// Forged packets close a bounded part of the Internet, and random addresses
// none; whatever was closed first is released first.
func TestForgersCloseLittle(t *testing.T) {
	s := newSite(t, climbing())
	at := noon
	for n := range bans.MaxClosed + 100 {
		at = s.turn(at, time.Millisecond, fmt.Sprintf("10.%d.%d.%%d", n>>8, n&0xff), 10, 1)
	}
	if n := len(s.Bans.Closed()); n != bans.MaxClosed {
		t.Errorf("%d networks closed", n)
	}
	if _, closed := s.Bans.Exact(at, netip.MustParsePrefix("10.0.99.0/24")); closed {
		t.Error("the oldest is still closed")
	}
	if _, closed := s.Bans.Exact(at, netip.MustParsePrefix("10.0.100.0/24")); !closed {
		t.Error("a newer one was released")
	}

	s = newSite(t, climbing())
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		at = at.Add(100 * time.Microsecond)
		n := r.Uint32()
		s.guess(at, netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String())
	}
	if n := len(s.Bans.Closed()); n != 0 {
		t.Errorf("random addresses closed %d networks", n)
	}
}

// 2,000 guesses from one /48, each from another /64: few get an answer, whatever
// order they come in, although what Asterisk has queued goes on for a while.
func TestRovingGuesserGetsFewAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, subnet := range map[string]func(n int) int{
		"at random": func(int) int { return r.IntN(1 << 16) },
		"upwards":   func(n int) int { return n },
		"in steps":  func(n int) int { return n * 257 & 0xffff },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, climbing())
			const queued = 30 * time.Millisecond // from the guess to its event
			answered, heard := 0, 0
			type guess struct {
				at     time.Time
				source string
			}
			var queue []guess
			for n := range 2000 {
				at := noon.Add(time.Duration(n) * time.Second / 250)
				for len(queue) > heard && at.Sub(queue[heard].at) >= queued {
					s.guess(queue[heard].at.Add(queued), queue[heard].source)
					heard++
				}
				source := fmt.Sprintf("2001:db8:66:%x::1", subnet(n))
				if _, banned := s.Bans.Covering(at, netip.PrefixFrom(netip.MustParseAddr(source), 128)); !banned {
					answered++
					queue = append(queue, guess{at, source})
				}
			}
			t.Logf("%d of 2,000 guesses are answered, %d incidents", answered, len(s.incidents))
			if answered > 100 {
				t.Errorf("%d of 2,000 guesses are answered, want at most 100", answered)
			}
		})
	}
}
