package judge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// guessedBefore are failures of an account at an address, so far apart, the last a minute
// ago.
func guessedBefore(account, source string, n int, apart time.Duration) judge.Guess {
	last := noon.Add(-time.Minute)
	return judge.Guess{Source: netip.MustParseAddr(source), Account: account, Failures: n, First: last.Add(-time.Duration(n-1) * apart), Last: last}
}

func contacts(at string, accounts ...string) (list []places.Contact) {
	for i, a := range accounts {
		list = append(list, places.Contact{Account: a, Source: netip.MustParseAddr(at), Port: uint16(5070 + i)})
	}
	return list
}

// Who guessed before the start is no phone of yours. An office with old passwords among its
// phones is.
func TestRegistrationsAfterGuesses(t *testing.T) {
	const fast, slow = 100 * time.Millisecond, time.Minute
	for name, tc := range map[string]struct {
		guesses  []judge.Guess
		contacts []places.Contact
		known    string // accounts that are known at their addresses
	}{
		"no guesses":                      {nil, contacts(office, "1001", "1002"), "1001 1002"},
		"guesses elsewhere":               {[]judge.Guess{guessedBefore("1001", "203.0.113.9", 50, fast)}, contacts(office, "1001"), "1001"},
		"a thief":                         {[]judge.Guess{guessedBefore("1002", thief, 6, fast)}, append(contacts(office, "1001"), contacts(thief, "1002")...), "1001"},
		"a slow thief":                    {[]judge.Guess{guessedBefore("1002", thief, 6, slow)}, contacts(thief, "1002"), ""},
		"a thief who tried many":          {[]judge.Guess{guessedBefore("1001", thief, 1, fast), guessedBefore("1003", thief, 1, fast)}, contacts(thief, "1002"), ""},
		"a thief who tried another":       {[]judge.Guess{guessedBefore("1001", thief, 30, fast)}, contacts(thief, "1002"), ""},
		"somebody mistyped":               {[]judge.Guess{guessedBefore("1001", office, 2, fast)}, contacts(office, "1001"), "1001"},
		"an office with an old password":  {[]judge.Guess{guessedBefore("1003", office, 200, slow)}, contacts(office, "1001", "1002"), "1001 1002"},
		"an office that corrected one":    {[]judge.Guess{guessedBefore("1002", office, 20, slow)}, contacts(office, "1001", "1002"), "1001 1002"},
		"a home with an old password":     {[]judge.Guess{guessedBefore("1003", office, 200, slow)}, contacts(office, "1001"), "1001"},
		"a guesser in the office":         {[]judge.Guess{guessedBefore("1003", office, 30, fast)}, contacts(office, "1001", "1002"), "1001 1002"},
		"a guesser in the office, inside": {[]judge.Guess{guessedBefore("1002", office, 30, fast)}, contacts(office, "1001", "1002"), "1001"},
		"guesses of the day before":       {[]judge.Guess{{Source: netip.MustParseAddr(thief), Account: "1002", Failures: 6, First: noon.Add(-30 * time.Hour), Last: noon.Add(-30 * time.Hour)}}, contacts(thief, "1002"), "1002"},
	} {
		s := newSite(t, guessing(10))
		s.Meanwhile(tc.guesses)
		s.SetContacts(noon, tc.contacts, nil)
		s.JudgeContacts(noon)
		var known []string
		for _, c := range tc.contacts {
			if s.Places.Known(c.Account, c.Source, noon) {
				known = append(known, c.Account)
			}
			if protected := s.Places.Why(netip.PrefixFrom(c.Source, 32)); protected != "" && !slices.Contains(known, c.Account) && len(tc.contacts) == 1 {
				t.Errorf("%s: %s is protected: %s", name, c.Source, protected)
			}
		}
		if got := strings.Join(known, " "); got != tc.known {
			t.Errorf("%s: known: %q, want %q", name, got, tc.known)
		}
	}
}

// A thief's registration, found at the start, is judged like the success that nobody saw:
// after guesses that are certain it is a break-in, otherwise its address is on probation,
// and its costly calls end.
func TestThiefFoundAtTheStart(t *testing.T) {
	for name, tc := range map[string]struct {
		events func(string) string
		want   string
	}{
		"certain":    {func(x string) string { return over("TCP", x) }, "break-in 1002"},
		"may be not": {func(x string) string { return x }, "new place 1002"},
	} {
		s := newSite(t, guessing(100))
		s.Meanwhile([]judge.Guess{guessedBefore("1002", thief, 6, time.Second)})
		s.SetContacts(noon, append(contacts(office, "1001"), contacts(thief, "1002")...), nil)
		s.hear(t, noon.Add(-time.Minute), tc.events(failures("1002", thief, 6))) // the log, line by line
		s.effects()
		s.JudgeContacts(noon)
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		s.JudgeContacts(noon)
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: again: %q", name, got)
		}
	}
}

// list is how Asterisk lists n calls of an account that are up.
func list(account, format string, n int) (up []calls.Channel) {
	for i := range n {
		up = append(up, calls.Channel{
			Name: fmt.Sprintf("PJSIP/%s-%08x", account, i), Account: account, Dialled: fmt.Sprintf(format, i), Calling: true,
			Since: noon.Add(-time.Hour), Answered: noon.Add(-time.Hour),
		})
	}
	return up
}

// started is a site whose daemon has just started beside these calls.
func started(t *testing.T, p judge.Policy, up []calls.Channel) *site {
	t.Helper()
	s := newSite(t, p)
	s.Calls.BeginSnapshot()
	s.Calls.ApplySnapshot(noon, up)
	return s
}

// costing is a policy that treats an account with too many costly calls as stolen, and ends
// forbidden ones.
func costing() judge.Policy {
	p := forbidding()
	p.Calls.Limits.Concurrent = 5
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "toll fraud", Per: score.PerAccount, Points: map[score.Signal]int{score.ConcurrentCalls: 5, score.CallRate: 5, score.Cadence: 3},
		Score: 10, Within: time.Hour, Playbook: "compromise",
	})
	return p
}

// What is up at the start is judged by where it goes and how much of it there is.
func TestJudgeAlreadyUp(t *testing.T) {
	for name, tc := range map[string]struct {
		up   []calls.Channel
		want string
	}{
		"a thief":     {list("1002", "00372500100%02d", 20), "toll fraud 1002"},
		"forbidden":   {list("1002", cuba+"%d", 1), "forbidden 1002"},
		"call centre": {list("1002", "020794601%02d", 80), ""},
	} {
		s := started(t, costing(), tc.up)
		s.asks = true
		before := s.JudgeAlreadyUp(noon)
		for _, sign := range s.asked {
			s.Located(noon, sign, netip.AddrPortFrom(netip.MustParseAddr(thief), 5060), nil)
		}
		s.RefuseAlreadyUp(noon, before)
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if tc.want != "" && !strings.Contains(s.bans(noon), thief) {
			t.Errorf("%s: not banned: %s", name, s.bans(noon))
		}
		if len(s.JudgeAlreadyUp(noon)) > 0 {
			t.Errorf("%s: judged twice", name)
		}
	}
}

// Mode observe ends nothing; the next start in mode enforce does.
func TestAlreadyUpInModeObserve(t *testing.T) {
	for _, observe := range []bool{true, false} {
		p := costing()
		p.Observe = observe
		s := started(t, p, list("1002", cuba+"%d", 1))
		s.RefuseAlreadyUp(noon, s.JudgeAlreadyUp(noon))
		if ended := strings.HasPrefix(s.effects(), "end PJSIP/1002-00000000"); ended == observe {
			t.Errorf("observe %v: ended %v", observe, ended)
		}
	}
}

// A costly call ends that is up at an address on probation, and one of an account that is
// locked; calls within the country go on, and so do those from the account's own place.
func TestRefuseAlreadyUp(t *testing.T) {
	for name, tc := range map[string]struct {
		number, from string
		locked       bool
		want         string
	}{
		"from probation":                     {"0037250010000", thief, false, "end PJSIP/1002-00000000"},
		"from probation, within the country": {"02079460100", thief, false, ""},
		"from its own place":                 {"0037250010000", office, false, ""},
		"locked":                             {"02079460100", office, true, "end PJSIP/1002-00000000"},
	} {
		s := started(t, costing(), []calls.Channel{{Name: "PJSIP/1002-00000000", Account: "1002", Dialled: tc.number, Calling: true, Since: noon.Add(-time.Hour), Answered: noon.Add(-time.Hour)}})
		s.asks = true
		s.hear(t, noon.Add(-time.Hour), success("1002", office))
		if tc.locked {
			s.Contain.Locks.Restore("1002", "")
		} else {
			s.hear(t, noon.Add(-time.Minute), guessedAt("1002")+success("1002", thief))
		}
		s.effects()
		s.RefuseAlreadyUp(noon, s.JudgeAlreadyUp(noon))
		for _, sign := range s.asked {
			s.Located(noon, sign, netip.AddrPortFrom(netip.MustParseAddr(tc.from), 5060), nil)
		}
		if got := s.effects(); !strings.Contains(got, tc.want) || tc.want == "" && strings.Contains(got, "end ") {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
