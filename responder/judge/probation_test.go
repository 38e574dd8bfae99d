package judge_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

const (
	newPlace = "192.0.2.90" // where the owner, or a thief, turns up
	domestic = "02079460001"
	france   = "0033140205050"
	cook     = "0068221234" // the Cook Islands, which nobody calls
	premium  = "09098790879"
)

// numbersAbroad are a thief's, in countries that nobody calls.
var numbersAbroad = []string{cook, "0037160000000", "0023276000000", "00263770000000", "00224620000000"}

// suspecting is a policy with the default thresholds as far as they matter here.
func suspecting() judge.Policy {
	p := guessing(10)
	p.Calls = calls.Rules{
		Dialling: numbers.Dialling{Country: "GB", Internal: 6},
		Limits: calls.Limits{
			Rate: 10, Concurrent: 5, Gap: time.Second, OffHours: 6, OffHoursConcurrent: 2,
			Destinations: calls.Destinations{Deny: []string{"premium", "satellite"}},
		},
	}
	per := func(name string, s score.Signal, playbook string) score.Threshold {
		return score.Threshold{Name: name, Per: score.PerAccount, Points: map[score.Signal]int{s: 1}, Score: 1, Within: time.Minute, Playbook: playbook}
	}
	p.Thresholds = append(
		p.Thresholds, per("forbidden destination", score.ForbiddenDestination, "end call"),
		score.Threshold{Name: "toll fraud", Per: score.PerAccount, Points: map[score.Signal]int{score.NewCountry: 2, score.NewNetwork: 2, score.TwoNetworks: 2, score.UnseenLogin: 5}, Score: 10, Within: time.Hour, Playbook: "compromise"},
	)
	p.Playbooks["end call"] = []incident.StepKind{incident.StepHangupCall}
	return p
}

// owned is a site whose extension 1002 has lived at the office for days, and has called
// France from there.
func owned(t *testing.T, p judge.Policy) *site {
	t.Helper()
	s := newSite(t, p)
	s.Calls.List([]calls.Account{{Name: "1001", Login: true, Sure: true}, {Name: "1002", Login: true, Sure: true}, {Name: "1003", Login: true, Sure: true}, {Name: "2001", Login: true}, {Name: "carrier"}})
	for day := range 3 {
		s.hear(t, noon.Add(time.Duration(day-3)*24*time.Hour), success("1002", office)+success("1001", office)+success("2001", office))
	}
	s.calls(t, noon.Add(-time.Hour), office, "PJSIP/1002-000000aa", france)
	s.hangsUp(noon.Add(-time.Hour+time.Minute), "PJSIP/1002-000000aa")
	s.effects()
	return s
}

// calls has a phone of 1002 place a call.
func (s *site) calls(t testing.TB, at time.Time, from, channel, number string) {
	t.Helper()
	s.hear(t, at, success("1002", from))
	s.rings(at.Add(200*time.Millisecond), channel, number)
}

// dials has a phone of 1002 place calls, a minute apart, that are hung up.
func (s *site) dials(t testing.TB, from, channel string, numbers ...string) {
	t.Helper()
	for n, number := range numbers {
		at := noon.Add(time.Duration(n) * time.Minute)
		s.calls(t, at, from, channel, number)
		s.hangsUp(at.Add(10*time.Second), channel)
	}
}

// An owner whose address changes while others guess keeps everything; only a costly call
// from there is ended. A thief in the same place is found out by a second sign.
func TestNewPlaceAfterGuesses(t *testing.T) {
	const own = "PJSIP/1002-00000001"
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		want string // incidents
		ends string // of the channels
	}{
		"a call inside the country":       {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, domestic) }, "new place 1002", ""},
		"an internal call":                {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, "1001") }, "new place 1002", ""},
		"a call abroad as before":         {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, france) }, "new place 1002", own},
		"a week later":                    {func(t *testing.T, s *site) { s.calls(t, noon.Add(7*24*time.Hour), newPlace, own, france) }, "new place 1002", own},
		"from the office meanwhile":       {func(t *testing.T, s *site) { s.calls(t, noon, office, own, france) }, "new place 1002", ""},
		"a forbidden one from the office": {func(t *testing.T, s *site) { s.calls(t, noon, office, own, premium) }, "new place 1002, forbidden destination 1002", own},
		"a country of another's": {func(t *testing.T, s *site) {
			s.hear(t, noon, success("1001", office))
			s.rings(noon.Add(200*time.Millisecond), "PJSIP/1001-00000001", cook)
		}, "new place 1002", ""},
		"a call abroad to a new country":   {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, cook) }, "new place 1002", own},
		"which is dialled again and again": {func(t *testing.T, s *site) { s.dials(t, newPlace, own, cook, cook, cook, cook, cook) }, "new place 1002", own},
		"five numbers in new countries":    {func(t *testing.T, s *site) { s.dials(t, newPlace, own, numbersAbroad...) }, "new place 1002, break-in 1002", own},
		"four on a journey":                {func(t *testing.T, s *site) { s.dials(t, newPlace, own, numbersAbroad[:4]...) }, "new place 1002", own},
		"five numbers in a known country": {func(t *testing.T, s *site) {
			s.dials(t, newPlace, own, france, france+"1", france+"2", france+"3", france+"4")
		}, "new place 1002", own},
		"abroad without the prefix":          {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, "33140205050") }, "new place 1002", own},
		"to a satellite without the prefix":  {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, "881612345678") }, "break-in 1002", own},
		"to a premium number":                {func(t *testing.T, s *site) { s.calls(t, noon, newPlace, own, premium) }, "break-in 1002", own},
		"new countries from another unknown": {func(t *testing.T, s *site) { s.dials(t, "198.18.0.200", own, numbersAbroad...) }, "new place 1002, new place 1002, toll fraud 1002", own},
		"the phone moved in a call": {func(t *testing.T, s *site) {
			s.calls(t, noon.Add(-20*time.Second), office, "PJSIP/1002-000000bb", domestic)
			s.hear(t, noon.Add(time.Hour), success("1002", "192.0.2.99"))
			s.calls(t, noon.Add(time.Hour), "192.0.2.99", own, domestic)
		}, "new place 1002", ""},
		"calls from there, and then from the office": {func(t *testing.T, s *site) {
			s.calls(t, noon, newPlace, own, domestic)
			s.calls(t, noon.Add(time.Minute), office, "PJSIP/1002-00000002", domestic)
		}, "new place 1002", ""},
		"costly calls from there, and then from the office": {func(t *testing.T, s *site) {
			s.calls(t, noon, newPlace, own, france)
			s.calls(t, noon.Add(time.Minute), office, "PJSIP/1002-00000002", france)
		}, "new place 1002, break-in 1002", own},
		"calls from the office, and then from there": {func(t *testing.T, s *site) {
			s.calls(t, noon, office, "PJSIP/1002-00000002", domestic)
			s.calls(t, noon.Add(time.Minute), newPlace, own, domestic)
		}, "new place 1002", ""},
		"costly calls from the office, and then from there": {func(t *testing.T, s *site) {
			s.calls(t, noon, office, "PJSIP/1002-00000002", france)
			s.calls(t, noon.Add(time.Minute), newPlace, own, france)
		}, "new place 1002, break-in 1002", own},
		"a desk phone and a softphone sign in by turns": {func(t *testing.T, s *site) {
			for n := range 20 {
				s.hear(t, noon.Add(time.Duration(n)*time.Minute), success("1002", []string{office, newPlace}[n%2]))
			}
		}, "new place 1002", ""},
		"a scanner": {func(t *testing.T, s *site) {
			s.SetContacts(noon, []places.Contact{{Account: "1002", Source: netip.MustParseAddr(newPlace), Agent: "friendly-scanner"}}, nil)
		}, "break-in 1002", ""},
		"a transfer abroad": {func(t *testing.T, s *site) {
			s.calls(t, noon, newPlace, own, domestic)
			s.sees(noon.Add(time.Minute), event.Event{Kind: event.BlindTransfer, Result: []byte("Success"), Channel: []byte(own), DestChannel: []byte("PJSIP/carrier-00000002"), Exten: []byte(france)})
		}, "new place 1002", "PJSIP/carrier-00000002"},
		"a redirect abroad": {func(t *testing.T, s *site) {
			s.sees(noon, event.Event{Kind: event.DialEnd, Channel: []byte("PJSIP/carrier-00000002"), DestChannel: []byte(own), Forward: []byte(france)})
			s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/carrier-00000002"), DestChannel: []byte("PJSIP/carrier-00000003")})
		}, "new place 1002", "PJSIP/carrier-00000003"},
		"a phone with an old password there": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failures("1002", newPlace, 4))+success("1002", newPlace))
		}, "new place 1002", ""},
		"it guesses at others": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failures("1003", newPlace, 2)+failures("1001", newPlace, 2))+success("1002", newPlace))
		}, "break-in 1002", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon.Add(-10*time.Second), guessedAt("1002")+success("1002", newPlace))
			if got := s.effects(); got != "record new place 1002" {
				t.Fatalf("after the guesses: %s", got)
			}
			tc.do(t, s)
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
			ended := map[string]bool{}
			for _, e := range s.log {
				if channel, ok := strings.CutPrefix(e, "end "); ok {
					ended[channel] = true
				}
			}
			if len(ended) > 1 || ended[tc.ends] != (tc.ends != "") {
				t.Errorf("ended %v, want %q", ended, tc.ends)
			}
		})
	}
}

// A break-in by a second sign says both, contains the account and bans the address.
func TestSecondSign(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	s.calls(t, noon.Add(time.Hour), newPlace, "PJSIP/1002-00000001", premium)
	i := s.incidents[len(s.incidents)-1]
	want := "somebody guessed at the password (4 wrong passwords from 2 addresses); then the extension was used from 192.0.2.90, a new address, and then: a call to " + premium + ", forbidden (premium); after 4 failed logins from unknown addresses"
	if i.Reason != want {
		t.Errorf("%s\nwant %s", i.Reason, want)
	}
	last := i.Evidence[len(i.Evidence)-1].Signal
	if len(i.Evidence) < 5 || i.Evidence[0].Signal != score.ChallengeResponseFailed || last != score.SuccessAfterFailures && last != score.ForbiddenDestination {
		t.Errorf("evidence %+v", i.Evidence)
	}
	for _, step := range i.Steps {
		if step.State != incident.Intended {
			t.Errorf("%s is %s: %s", step.Step, step.State, step.Detail)
		}
	}
	if got := s.bans(noon.Add(time.Hour)); got != newPlace+"/32 all #1" {
		t.Errorf("bans %s", got)
	}
	if !s.Stolen(noon.Add(time.Hour), "1002") {
		t.Error("the password is not stolen")
	}
}

// The calls of the first day are recorded, later only those that are ended.
func TestCallsOnProbationAreRecorded(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	s.effects()
	s.calls(t, noon.Add(time.Minute), newPlace, "PJSIP/1002-00000001", domestic)
	s.hangsUp(noon.Add(2*time.Minute), "PJSIP/1002-00000001")
	if got := s.effects(); got != "call 02079460001 of incident [1] is up; call 02079460001 of incident [1] took 59.8s" {
		t.Errorf("on the first day: %s", got)
	}
	s.calls(t, noon.Add(25*time.Hour), newPlace, "PJSIP/1002-00000002", domestic)
	if got := s.effects(); got != "" {
		t.Errorf("later: %s", got)
	}
	s.calls(t, noon.Add(26*time.Hour), newPlace, "PJSIP/1002-00000003", france)
	if got := s.effects(); got != "end PJSIP/1002-00000003; call 0033140205050 of incident [1] is up" {
		t.Errorf("a costly one: %s", got)
	}
	if s.Counters().CostlyEnded != 1 {
		t.Errorf("%+v", s.Counters())
	}
}

// Of a call whose source no event shows, Asterisk is asked; chan_sip shows none.
func TestCallOfUnknownSourceOnProbation(t *testing.T) {
	const channel = "SIP/2001-00000001"
	for name, tc := range map[string]struct {
		number, from string
		want         string
		incidents    string
	}{
		"abroad from the new place":    {france, newPlace, "end " + channel, "new place 2001"},
		"inside the country":           {domestic, newPlace, "", "new place 2001"},
		"abroad from the office":       {france, office, "", "new place 2001"},
		"nobody can say":               {france, "", "end " + channel, "new place 2001"},
		"forbidden from the new place": {premium, newPlace, "end " + channel, "break-in 2001, forbidden destination 2001"},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, of("SIP", guessedAt("2001")+success("2001", newPlace)))
			s.asks = true
			s.rings(noon.Add(time.Minute), channel, tc.number)
			s.effects()
			var from netip.AddrPort
			if tc.from != "" {
				from = netip.AddrPortFrom(netip.MustParseAddr(tc.from), 5060)
			}
			for _, sign := range s.asked {
				s.Located(noon.Add(time.Minute), sign, from, nil)
			}
			if len(s.asked) == 0 {
				t.Fatal("nobody was asked")
			}
			if got := s.verdicts(); got != tc.incidents {
				t.Errorf("incidents %q, want %q", got, tc.incidents)
			}
			if got := s.effects(); tc.want == "" && strings.Contains(got, "end ") || !strings.Contains(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// The owner has a dynamic address that changes every day, and strangers guess at the
// extension all the time: for three months nothing is cut, and there is a message a week
// at most, none if the provider's addresses are near each other.
func TestDynamicAddressUnderConstantGuesses(t *testing.T) {
	t.Run("far apart", func(t *testing.T) {
		if n := movesDaily(t, func(day int) string { return fmt.Sprintf("%d.7.%d.9", 100+day, day) }); n == 0 || n > 13 {
			t.Errorf("%d new places", n)
		}
	})
	t.Run("in one neighbourhood", func(t *testing.T) {
		if n := movesDaily(t, func(day int) string { return fmt.Sprintf("192.0.%d.%d", day, day+1) }); n > 1 {
			t.Errorf("%d new places", n)
		}
	})
}

// movesDaily has the owner move every day, and returns how many new places were reported.
func movesDaily(t *testing.T, address func(day int) string) int {
	s := owned(t, suspecting())
	for hour := range 24 * 90 {
		at := noon.Add(time.Duration(hour) * time.Hour)
		guess := over("TCP", failure("1002", fmt.Sprintf("203.0.%d.%d", hour%250, hour/250+1), hour))
		if hour%2 == 0 {
			guess = failure("1002", fmt.Sprintf("203.0.%d.%d", hour%250, hour/250+1), hour)
		}
		from := address(hour / 24)
		s.hear(t, at, guess)
		s.hear(t, at.Add(10*time.Minute), success("1002", from))
		channel := fmt.Sprintf("PJSIP/1002-%08x", hour)
		s.calls(t, at.Add(20*time.Minute), from, channel, domestic)
		s.hangsUp(at.Add(25*time.Minute), channel)
		s.calls(t, at.Add(30*time.Minute), office, channel, france)
		s.hangsUp(at.Add(35*time.Minute), channel)
		s.Prune(at)
	}
	n := strings.Count(s.verdicts(), "new place 1002")
	if n != len(s.incidents) {
		t.Errorf("%d incidents, %d of them new places", len(s.incidents), n)
	}
	for _, e := range s.log {
		if strings.HasPrefix(e, "end ") || strings.HasPrefix(e, "drop ") {
			t.Fatalf("hurt the owner: %s", e)
		}
	}
	return n
}

// An office behind NAT where a colleague's phone has an old password, and a new phone of
// another extension: nothing happens.
func TestNewPhoneBesideAnOldPassword(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, over("TCP", failures("1001", office, 8)))
	s.hear(t, noon.Add(time.Minute), success("1003", office))
	s.hear(t, noon.Add(time.Minute), success("1002", "198.51.100.77")+guessedAt("1002")+success("1002", "198.51.100.78"))
	if got := s.verdicts(); got != "" {
		t.Errorf("incidents %q", got)
	}
	if !s.Places.Known("1003", netip.MustParseAddr(office), noon.Add(time.Minute)) || !s.Places.Known("1002", netip.MustParseAddr("198.51.100.78"), noon.Add(time.Minute)) {
		t.Error("a new phone in the office is not known")
	}
}

// A phone with an old password is no guesser when its owner corrects it, however long
// that took.
func TestOldPasswordCorrectedAfterMonths(t *testing.T) {
	s := owned(t, suspecting())
	for day := range 60 {
		s.hear(t, noon.Add(time.Duration(day)*24*time.Hour), over("TCP", failures("1001", office, 4)))
	}
	before := len(s.incidents)
	s.hear(t, noon.Add(60*24*time.Hour), success("1001", office))
	if len(s.incidents) != before || !s.Places.Known("1001", netip.MustParseAddr(office), noon.Add(60*24*time.Hour)) {
		t.Errorf("incidents %q", s.verdicts())
	}
}

// Probation ends neither by the use of the address, nor by that of many others, nor by
// a restart; only the use of its network from elsewhere ends it.
func TestEndsOfProbation(t *testing.T) {
	const day = 24 * time.Hour
	last := noon.Add(29 * day)
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		ends bool // a call abroad from the place, on the 29th day
	}{
		"nothing": {func(*testing.T, *site) {}, true},
		"it registers every hour": {func(t *testing.T, s *site) {
			for hour := range 29 * 24 {
				s.hear(t, noon.Add(time.Duration(hour)*time.Hour), success("1002", newPlace))
				s.SetContacts(noon.Add(time.Duration(hour)*time.Hour), []places.Contact{{Account: "1002", Source: netip.MustParseAddr(newPlace)}}, nil)
			}
		}, true},
		"it comes from many addresses": {func(t *testing.T, s *site) {
			for n := range 200 {
				s.hear(t, noon.Add(time.Duration(n)*time.Hour), success("1002", fmt.Sprintf("203.%d.7.%d", n, n)))
			}
		}, true},
		"from its own network": {func(t *testing.T, s *site) {
			for n := range 100 {
				s.hear(t, noon.Add(time.Duration(n)*time.Hour), success("1002", fmt.Sprintf("192.0.2.%d", 100+n)))
			}
		}, true},
		"it has the owner's User-Agent": {func(t *testing.T, s *site) {
			s.SetContacts(noon, []places.Contact{{Account: "1002", Source: netip.MustParseAddr(office), Agent: "Snom"}, {Account: "1002", Source: netip.MustParseAddr(newPlace), Agent: "Snom"}}, nil)
		}, true},
		"a person trusts it": {func(t *testing.T, s *site) {
			if _, err := s.Trust(noon.Add(day), "1002", netip.MustParseAddr(newPlace)); err != nil {
				t.Fatal(err)
			}
		}, false},
		"a person allows the network": {func(t *testing.T, s *site) {
			s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")})
		}, false},
		"the password is changed": {func(t *testing.T, s *site) {
			s.PasswordChanged(noon.Add(day), "1002")
			s.hear(t, noon.Add(day), success("1002", newPlace))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
			tc.do(t, s)
			s.hear(t, last.Add(-time.Hour), success("1002", office)) // the owner is at home
			s.log = nil
			s.calls(t, last, newPlace, "PJSIP/1002-00000001", france)
			if ends := strings.Contains(s.effects(), "end PJSIP/1002-00000001"); ends != tc.ends {
				t.Errorf("ended %t", ends)
			}
		})
	}
}

// What holds for an account survives a restart.
func TestProbationSurvivesARestart(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	next := newSite(t, suspecting())
	next.Calls.List([]calls.Account{{Name: "1002", Login: true, Sure: true}, {Name: "carrier"}})
	next.Places.Know("1002", netip.MustParseAddr(office), noon)
	next.Places.RestoreNetwork(noon, places.Network{Account: "1002", Prefix: netip.MustParsePrefix("192.0.2.0/24"), First: noon, Last: noon})
	for _, x := range places.ParseProbation(s.holds["1002 probation"]) {
		next.Places.RestoreProbation(x)
	}
	if !next.Contain.Costs.Restore(noon, s.holds["1002 costs"]) {
		t.Fatalf("the limit is lost: %+v", s.holds)
	}
	at := noon.Add(25 * time.Hour)
	next.calls(t, at, newPlace, "PJSIP/1002-00000001", domestic)
	next.calls(t, at.Add(time.Minute), newPlace, "PJSIP/1002-00000002", "0033140205050")
	if got := next.effects(); !strings.Contains(got, "end PJSIP/1002-00000002; call 0033140205050 of incident [1] is up") || strings.Contains(got, "00000001") {
		t.Errorf("%s", got)
	}
	next.PasswordChanged(at, "1002")
	if len(next.holds) != 0 || len(next.Places.Probations("1002", at)) != 0 {
		t.Errorf("after the change: %+v", next.holds)
	}
}

// Mode observe only says what it would do.
func TestProbationInObserve(t *testing.T) {
	p := suspecting()
	p.Observe = true
	s := owned(t, p)
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	s.calls(t, noon.Add(time.Minute), newPlace, "PJSIP/1002-00000001", france)
	if got := s.effects(); got != "record new place 1002" {
		t.Errorf("%s", got)
	}
	if step := s.incidents[0].Steps[0]; step.State != incident.Skipped || step.Detail != "mode is observe: would end costly calls of 1002 from unknown addresses" {
		t.Errorf("%+v", step)
	}
	if _, err := s.Compromise(noon.Add(2*time.Minute), "1002"); err != nil {
		t.Errorf("%v", err)
	}
	if got := s.effects(); !strings.HasPrefix(got, "drop 192.0.2.90") {
		t.Errorf("a person asked: %s", got)
	}
	if i := s.incidents[len(s.incidents)-1]; i.Mode != incident.Enforce || i.Steps[0].State == incident.Skipped {
		t.Errorf("%s, %+v", i.Mode, i.Steps[0])
	}
}

// A person's word: it was the owner, or a thief.
func TestPersonDecides(t *testing.T) {
	later := noon.Add(time.Hour)
	s := owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	if got := s.incidents[0].Reason; got != "somebody guessed at the password (4 wrong passwords from 2 addresses); then the extension was used from 192.0.2.90, a new address: its owner's, or a thief's" {
		t.Errorf("%s", got)
	}
	for order, err := range map[string]error{
		"no extension 1009":         second(s.Compromise(later, "1009")),
		"1009, in Asterisk":         second(s.Trust(later, "1009", netip.MustParseAddr(newPlace))),
		"is known for 1002 already": second(s.Trust(later, "1002", netip.MustParseAddr(office))),
		"on probation: 192.0.2.90":  second(s.Trust(later, "1002", netip.MustParseAddr("203.0.113.5"))),
		"nothing to trust":          second(s.Trust(later, "1001", netip.MustParseAddr(newPlace))),
	} {
		if order = strings.ReplaceAll(order, "1009, in", "1009 in"); !errors.Is(err, incident.ErrRefused) || !strings.Contains(err.Error(), order) {
			t.Errorf("%s: %v", order, err)
		}
	}
	s.effects()
	if detail, err := s.Trust(later, "1002", netip.MustParseAddr(newPlace)); err != nil || detail != "192.0.2.90 is known for 1002 from now on; costly calls are no longer ended" || len(s.holds) != 0 {
		t.Errorf("%q, %v, %v", detail, err, s.holds)
	}
	if !s.Places.Known("1002", netip.MustParseAddr(newPlace), later) {
		t.Error("it is not known")
	}

	s = owned(t, suspecting())
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace)+success("1002", "198.18.0.77"))
	s.registered(noon, "1001")
	s.effects()
	if _, err := s.Compromise(later, "1002"); err != nil {
		t.Fatal(err)
	}
	if got := s.effects(); got != "drop 198.18.0.77 all #1; drop 192.0.2.90 all #1; record break-in 1002; call 0033140205050 of incident [2] took 59.8s" {
		t.Errorf("%s", got)
	}
	if i := s.incidents[1]; len(i.Steps) != 5 || i.Steps[2].Step != incident.StepHangup || i.Steps[3].State != incident.Intended || !strings.HasPrefix(i.Reason, "reported by a person") {
		t.Errorf("%+v", i)
	}
}

func second[T any](_ T, err error) error { return err }

// Nobody else is cut off by a person's word: an address where others live is not banned.
func TestPersonDecidesAboutASharedAddress(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, success("1003", newPlace))
	s.SetContacts(noon, []places.Contact{{Account: "1003", Source: netip.MustParseAddr(newPlace), Port: 5060}}, nil)
	s.hear(t, noon, guessedAt("1002")+success("1002", newPlace))
	if _, err := s.Compromise(noon, "1002"); err != nil {
		t.Fatal(err)
	}
	if step := s.incidents[len(s.incidents)-1].Steps[0]; step.State != incident.Skipped || !strings.Contains(step.Detail, "protected (registered contact of 1003)") {
		t.Errorf("%+v", step)
	}
}

// In the home network of an extension neighbours may guess all they want, as with a
// provider's dynamic addresses; whoever guesses there itself is a thief.
func TestGuessesInTheHomeNetwork(t *testing.T) {
	const next = "198.51.100.99"
	s := owned(t, suspecting())
	s.hear(t, noon, over("TCP", failures("1002", "198.51.100.66", 6))+success("1002", next))
	if got := s.verdicts(); got != "" || !s.Places.Known("1002", netip.MustParseAddr(next), noon.Add(time.Second)) {
		t.Errorf("a neighbour guesses: %q", got)
	}
	s.hear(t, noon.Add(time.Minute), success("1002", "198.51.100.66"))
	if got := s.verdicts(); got != "break-in 1002" {
		t.Errorf("and finds the password: %q", got)
	}
}

// Only an extension that has lived in one network for long is restricted; costly calls of
// the others are ended while the attack lasts.
func TestOnlyAnExtensionAtHomeIsRestricted(t *testing.T) {
	const day = 24 * time.Hour
	attack := func() string {
		var b strings.Builder
		for n := range 12 {
			b.WriteString(failure("1002", fmt.Sprintf("203.0.%d.66", n%6), n))
		}
		return over("TCP", b.String())
	}
	for name, tc := range map[string]struct {
		lived   time.Duration
		used    []string // one after the other, a day each, over the last 100 days
		want    string   // detail of the step
		ends    bool     // a call abroad from a hotel
		neutral bool     // restricted
	}{
		"at home for 100 days":           {90 * day, []string{office}, "", false, true},
		"two networks":                   {90 * day, []string{office, "192.0.2.7"}, "it was used from 2 networks in the last 90 days: costly calls from unknown addresses are ended instead", true, false},
		"two networks, but that is fine": {0, []string{office, "192.0.2.7"}, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := suspecting()
			p.Restrict.Networks, p.Restrict.Quiet, p.Restrict.Lived = 5, time.Hour, tc.lived
			p.Thresholds = append(p.Thresholds, score.Threshold{Name: "account under attack", Per: score.PerAccount, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 10, Within: day, Playbook: "limit"})
			p.Playbooks["limit"] = []incident.StepKind{incident.StepRestrict, incident.StepNotify}
			s := newSite(t, p)
			for n := range 100 {
				at := noon.Add(time.Duration(n-100) * day)
				s.calls(t, at, tc.used[n%len(tc.used)], "PJSIP/1002-000000aa", france)
				s.hangsUp(at.Add(time.Minute), "PJSIP/1002-000000aa")
			}
			s.effects()
			s.hear(t, noon, attack())
			if len(s.incidents) == 0 {
				t.Fatal("no incident")
			}
			i := s.incidents[0]
			if step := i.Steps[0]; step.Detail != tc.want || step.Instead != tc.ends || (step.State == incident.Intended) != tc.neutral {
				t.Errorf("%+v", step)
			}
			_, limited := s.Contain.Costs.Of("1002")
			if limited != tc.ends {
				t.Errorf("limited %t", limited)
			}
			if !tc.ends {
				return
			}
			s.effects()
			s.calls(t, noon.Add(time.Minute), "198.18.0.5", "PJSIP/1002-00000001", france)
			s.calls(t, noon.Add(2*time.Minute), office, "PJSIP/1002-00000002", france)
			if got := s.effects(); !strings.Contains(got, "end PJSIP/1002-00000001") || strings.Contains(got, "end PJSIP/1002-00000002") {
				t.Errorf("%s", got)
			}
			if len(s.Unstopped(noon)) != 0 {
				t.Error("the attack counts as one that nothing is done about")
			}
		})
	}
	// Younger than that, nothing is known: not restricted.
	p := suspecting()
	p.Restrict.Networks, p.Restrict.Lived = 5, 90*day
	p.Thresholds = append(p.Thresholds, score.Threshold{Name: "account under attack", Per: score.PerAccount, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 10, Within: day, Playbook: "limit"})
	p.Playbooks["limit"] = []incident.StepKind{incident.StepRestrict}
	s := owned(t, p)
	s.hear(t, noon, attack())
	if step := s.incidents[0].Steps[0]; step.State != incident.Skipped || step.Detail != "it has not been known in one network for 90 days: costly calls from unknown addresses are ended instead" {
		t.Errorf("%+v", step)
	}
}

// A phone with an old password fails at every new address of its line, where its
// neighbour then signs in: that is no break-in. Nor does it hide one.
func TestOldPasswordMovesAlong(t *testing.T) {
	const was, is = "203.0.113.5", "203.0.114.77" // of one line
	at := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
	for name, tc := range map[string]struct {
		do   func(t *testing.T, s *site)
		want string // incidents
	}{
		"the line's address changes": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failure("1003", is, 1)+success("1002", is)))
		}, ""},
		"long after": {func(t *testing.T, s *site) {
			s.hear(t, at(200), over("TCP", failure("1003", is, 1)+success("1002", is)))
		}, "new place 1002"},
		"somebody tries an extension of another place, too": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failure("1003", is, 1)+failure("1001", is, 2)+success("1002", is)))
		}, "new place 1002"},
		"somebody tries several of another place": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failure("1003", is, 1)+failures("1001", is, 2)+failures("2001", is, 2)+success("1002", is)))
		}, "break-in 1002"},
		"somebody guesses at the extension itself": {func(t *testing.T, s *site) {
			s.hear(t, noon, over("TCP", failures("1002", is, 4)+success("1002", is)))
		}, "break-in 1002"},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, at(-48), over("TCP", success("1002", was)+success("1003", was)))
			for h := -30; h < 0; h++ {
				s.hear(t, at(h), over("TCP", failure("1003", was, h)+success("1002", was)))
			}
			s.incidents = nil
			tc.do(t, s)
			if got := s.verdicts(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// A thief who signs in from many addresses pushes out neither the owner's nor the first of
// its own, which shows that the password is stolen.
func TestThievesPushNothingOut(t *testing.T) {
	s := owned(t, suspecting())
	s.hear(t, noon, over("TCP", failures("1002", thief, 4)+success("1002", thief)))
	now := noon.Add(time.Minute)
	for n := range 100 {
		s.hear(t, now, over("TCP", success("1002", fmt.Sprintf("203.0.113.%d", n))))
		now = now.Add(time.Second)
	}
	if !s.Places.Known("1002", netip.MustParseAddr(office), now) {
		t.Error("the office is not known any more")
	}
	if !s.Places.Stolen([]byte("1002"), now) {
		t.Error("the password is not known to be stolen any more")
	}
}
