package calls_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/places"
)

var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC) // a Wednesday

func usual() calls.Rules {
	return calls.Rules{
		Dialling: numbers.Dialling{Country: "GB", Internal: 6},
		Hours: calls.Hours{Zone: time.UTC, Open: []calls.Span{
			{Days: [7]bool{time.Monday: true, time.Wednesday: true}, From: 8 * 60, To: 18 * 60},
		}, Holidays: []calls.Day{{Month: time.December, Day: 25}}},
		Learn: 14 * 24 * time.Hour,
		Limits: calls.Limits{
			Rate: 10, Concurrent: 5, Gap: time.Second, Variants: 3, OffHours: 6, OffHoursConcurrent: 2,
			Dormant: 30 * 24 * time.Hour, Destinations: calls.Destinations{Deny: []string{"premium", "satellite", "CU", "+23221", "118"}},
		},
	}
}

// site is a detector with phones 1001 to 1003 and a trunk, after a year of learning.
type site struct {
	*calls.Detector
	places   *places.Places
	serial   int
	habits   []calls.Habit
	networks []places.Network
}

// siteAt returns a site without accounts that starts learning at from.
func siteAt(from time.Time, r calls.Rules) *site {
	s := &site{}
	s.places = places.New(places.Config{NetworkLearned: func(n places.Network) { s.networks = append(s.networks, n) }}, nil)
	s.Detector = calls.NewDetector(from, r, s.places)
	s.Learned = func(h calls.Habit) { s.habits = append(s.habits, h) }
	return s
}

// restore loads what an earlier site learned.
func (s *site) restore(now time.Time, from *site) {
	s.RestoreHabits(now, from.habits)
	for _, n := range from.networks {
		s.places.RestoreNetwork(now, n)
	}
}

func newSite(r calls.Rules) *site {
	s := siteAt(noon.Add(-365*24*time.Hour), r)
	s.List([]calls.Account{
		{Name: "1001", Login: true, Sure: true},
		{Name: "1002", Login: true, Sure: true},
		{Name: "1003", Login: true, Sure: true},
		{Name: "carrier"},
		{Name: "anonymous"},
	})
	return s
}

var (
	office   = calls.Login{Source: netip.MustParseAddr("198.51.100.10"), Proven: true}
	attacker = calls.Login{Source: netip.MustParseAddr("192.0.2.66"), Proven: true}
)

// activate makes the account a regular one, with a call from the office a day ago.
func (s *site) activate(account string) {
	s.Login(noon.Add(-30*24*time.Hour), []byte(account), office)
	s.call(noon.Add(-24*time.Hour-time.Minute), account, "02079460001", office)
	s.hangUp(noon.Add(-24*time.Hour), account)
}

// call logs in and sets up one call.
func (s *site) call(now time.Time, account, number string, from calls.Login) []calls.Sign {
	signs := s.Login(now, []byte(account), from)
	s.serial++
	return append(signs, s.Call(now, calls.Channel{
		Name: fmt.Sprintf("PJSIP/%s-%08x", account, s.serial), Account: account, Dialled: number, Since: now, Calling: true,
	})...)
}

// hangUp ends the newest call of the account.
func (s *site) hangUp(now time.Time, account string) []calls.Sign {
	_, signs, _ := s.End(now, fmt.Sprintf("PJSIP/%s-%08x", account, s.serial))
	return signs
}

func names(signs []calls.Sign) string {
	var list []string
	for _, s := range signs {
		list = append(list, s.Kind.String())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// Each kind of sign, at exactly the call that raises it.
func TestSigns(t *testing.T) {
	for _, tc := range []struct {
		name string
		run  func(s *site, observe func([]calls.Sign))
		want []string // for each call
	}{
		{"ten calls in a minute, five seconds apart", func(s *site, observe func([]calls.Sign)) {
			for i := range 11 {
				observe(s.call(noon.Add(time.Duration(i)*5*time.Second), "1002", fmt.Sprintf("0207946%04d", i), office))
				s.hangUp(noon.Add(time.Duration(i)*5*time.Second+2*time.Second), "1002")
			}
		}, []string{"", "", "", "", "", "", "", "", "", "CallRate", "CallRate"}},
		{"nine calls a minute", func(s *site, observe func([]calls.Sign)) {
			for i := range 30 {
				observe(s.call(noon.Add(time.Duration(i)*7*time.Second), "1002", fmt.Sprintf("0207946%04d", i), office))
				s.hangUp(noon.Add(time.Duration(i)*7*time.Second+3*time.Second), "1002")
			}
		}, make([]string, 30)},
		{"six calls at once", func(s *site, observe func([]calls.Sign)) {
			for i := range 6 {
				observe(s.call(noon.Add(time.Duration(i)*20*time.Second), "1002", fmt.Sprintf("0207946%04d", i), office))
			}
		}, []string{"", "", "", "", "", "ConcurrentCalls"}},
		{"calls half a second apart", func(s *site, observe func([]calls.Sign)) {
			for i := range 3 {
				observe(s.call(noon.Add(time.Duration(i)*500*time.Millisecond), "1002", fmt.Sprintf("0207946%04d", i), office))
			}
		}, []string{"", "Cadence", "Cadence"}},
		{"the prefixes of the recorded attack", func(s *site, observe func([]calls.Sign)) {
			for i, n := range []string{"0011442079460001", "00442079460001", "00442079460001", "011442079460001", "900442079460001", "1144207946001"} {
				observe(s.call(noon.Add(time.Duration(i)*15*time.Second), "1002", n, office))
				s.hangUp(noon.Add(time.Duration(i)*15*time.Second+time.Second), "1002")
			}
		}, []string{"", "", "", "DialProbing", "DialProbing", ""}},
		{"one number repeatedly", func(s *site, observe func([]calls.Sign)) {
			for i := range 5 {
				observe(s.call(noon.Add(time.Duration(i)*30*time.Second), "1002", "02079460001", office))
				s.hangUp(noon.Add(time.Duration(i)*30*time.Second+time.Second), "1002")
			}
		}, make([]string, 5)},
		{"forbidden: premium, satellite, a country, a range, a short number", func(s *site, observe func([]calls.Sign)) {
			for i, n := range []string{"09098790000", "00881612345678", "005371234567", "0023221123456", "118118118", "0033142685300"} {
				observe(s.call(noon.Add(time.Duration(i)*time.Minute), "1002", n, office))
				s.hangUp(noon.Add(time.Duration(i)*time.Minute+time.Second), "1002")
			}
		}, []string{
			"ForbiddenDestination", "ForbiddenDestination NewCountry", "ForbiddenDestination NewCountry",
			"ForbiddenDestination NewCountry", "ForbiddenDestination", "NewCountry",
		}},
		{"a new country", func(s *site, observe func([]calls.Sign)) {
			for i, n := range []string{"0033142685300", "0033142685301", "02079460001"} {
				observe(s.call(noon.Add(time.Duration(i)*time.Minute), "1002", n, office))
			}
		}, []string{"NewCountry", "", ""}},
		{"the seventh call in an hour at night, and the third at once", func(s *site, observe func([]calls.Sign)) {
			night := noon.Add(11 * time.Hour)
			s.call(noon, "1002", "0033142685300", office)
			s.hangUp(noon, "1002")
			for i := range 7 {
				observe(s.call(night.Add(time.Duration(i)*5*time.Minute), "1002", fmt.Sprintf("003314268%04d", i*7), office))
				s.hangUp(night.Add(time.Duration(i)*5*time.Minute+time.Minute), "1002")
			}
			for i := range 3 {
				observe(s.call(night.Add(3*time.Hour+time.Duration(i)*time.Minute), "1002", fmt.Sprintf("003314268%04d", i*7), office))
			}
		}, []string{"", "", "", "", "", "", "OffHours", "", "", "OffHours"}},
		{"twenty mobiles of an on-call rota at night, one after another", func(s *site, observe func([]calls.Sign)) {
			for i := range 20 {
				at := noon.Add(14*time.Hour + time.Duration(i)*40*time.Second)
				observe(s.call(at, "1002", fmt.Sprintf("0770090%04d", i), office))
				s.hangUp(at.Add(30*time.Second), "1002")
			}
		}, make([]string, 20)},
		{"domestic calls at night from where the account is not at home", func(s *site, observe func([]calls.Sign)) {
			s.Login(noon, []byte("1002"), attacker)
			for i := range 8 {
				at := noon.Add(14*time.Hour + time.Duration(i)*40*time.Second)
				observe(s.call(at, "1002", fmt.Sprintf("0770090%04d", i), attacker))
				s.hangUp(at.Add(30*time.Second), "1002")
			}
		}, []string{"", "", "", "", "", "", "OffHours", "OffHours"}},
		{"an engaged number at night, and on two lines at once", func(s *site, observe func([]calls.Sign)) {
			night := noon.Add(11 * time.Hour)
			s.call(noon, "1002", "0033142685300", office)
			s.hangUp(noon, "1002")
			for i := range 12 {
				observe(s.call(night.Add(time.Duration(i)*time.Minute), "1002", "0033142685301", office))
				s.hangUp(night.Add(time.Duration(i)*time.Minute+10*time.Second), "1002")
			}
			for i := range 3 {
				observe(s.call(night.Add(3*time.Hour+time.Duration(i)*time.Minute), "1002", "0033142685301", office))
			}
		}, []string{"", "", "", "", "", "", "", "", "", "", "", "", "", "", "OffHours"}},
		{"a new network, and two alternately", func(s *site, observe func([]calls.Sign)) {
			for i, from := range []calls.Login{office, attacker, office, attacker, office} {
				observe(s.Login(noon.Add(time.Duration(i)*time.Minute), []byte("1002"), from))
			}
		}, []string{"", "NewNetwork", "", "TwoNetworks", ""}},
		{"one phone that changes its network", func(s *site, observe func([]calls.Sign)) {
			for i, from := range []calls.Login{office, attacker, attacker, attacker} {
				observe(s.Login(noon.Add(time.Duration(i)*time.Minute), []byte("1002"), from))
			}
		}, []string{"", "NewNetwork", "", ""}},
		{"internal calls", func(s *site, observe func([]calls.Sign)) {
			for i := range 30 {
				observe(s.call(noon.Add(time.Duration(i)*100*time.Millisecond), "1002", "1001", office))
			}
		}, make([]string, 30)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(usual())
			s.activate("1002")
			var got []string
			tc.run(s, func(signs []calls.Sign) { got = append(got, names(signs)) })
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

func TestDormantAccount(t *testing.T) {
	s := newSite(usual())
	if got := names(s.call(noon, "1003", "02079460001", office)); got != "Dormant NewNetwork" {
		t.Errorf("an account never used: %q", got)
	}
	if got := names(s.call(noon.Add(time.Hour), "1003", "02079460002", office)); got != "" {
		t.Errorf("its second call: %q", got)
	}
	if got := names(s.call(noon.Add(29*24*time.Hour), "1003", "02079460002", office)); strings.Contains(got, "Dormant") {
		t.Errorf("after 29 days: %q", got)
	}
	// A phone in the lobby calls a taxi; the next time that somebody picks it up, he calls abroad.
	for number, want := range map[string]string{"02079460002": "", "0033142685300": "Dormant NewCountry"} {
		s := newSite(usual())
		s.activate("1002")
		for d := -24 * time.Hour; d < 40*24*time.Hour; d += 24 * time.Hour {
			s.Login(noon.Add(d), []byte("1002"), office)
		}
		if got := names(s.call(noon.Add(40*24*time.Hour), "1002", number, office)); got != want {
			t.Errorf("%s from home after 40 days: %q, want %q", number, got, want)
		}
	}
}

// Calls of carriers are incoming calls, whatever number they dial.
func TestCarriersAreNotPhones(t *testing.T) {
	r := usual()
	r.Carriers = []string{"branch-*"}
	s := newSite(r)
	for i := range 40 {
		at := noon.Add(time.Duration(i) * 100 * time.Millisecond)
		if got := s.call(at, "branch-2", "00881612345678", attacker); len(got) > 0 {
			t.Fatalf("a carrier that logs in: %v", got)
		}
		s.serial++
		if got := s.Call(at, calls.Channel{Name: fmt.Sprintf("PJSIP/carrier-%08x", s.serial), Account: "carrier", Dialled: "005371234567", Calling: true}); len(got) > 0 {
			t.Fatalf("a carrier without a login: %v", got)
		}
	}
	if got := s.MissingLogins(noon.Add(time.Hour)); len(got) > 0 {
		t.Errorf("logins of carriers are expected: %v", got)
	}
}

func TestAnonymousCalls(t *testing.T) {
	s := newSite(usual())
	at := noon
	dial := func(account, number string) string {
		s.serial++
		return names(s.Call(at, calls.Channel{Name: fmt.Sprintf("SIP/%s-%08x", account, s.serial), Account: account, Dialled: number, Calling: true, Since: at}))
	}
	if got := dial("anonymous", "0033142685300"); got != "AnonymousCall" {
		t.Errorf("abroad: %q", got)
	}
	if got := dial("guest.example", "900442079460001"); got != "" {
		t.Errorf("a national number, which may be the site's own: %q", got)
	}
	if got := dial("guest.example", "0033142685300"); got != "AnonymousCall" {
		t.Errorf("a guest of chan_sip, abroad: %q", got)
	}
	var got []string
	for range 3 {
		dial("anonymous", "02079460001")
		at = at.Add(13 * time.Second)
		got = append(got, names(s.hangUpAs(at, "SIP/anonymous")))
	}
	if !slices.Equal(got, []string{"", "", "AnonymousCall"}) {
		t.Errorf("three short calls: %q", got)
	}
}

func (s *site) hangUpAs(now time.Time, prefix string) []calls.Sign {
	_, signs, _ := s.End(now, fmt.Sprintf("%s-%08x", prefix, s.serial))
	return signs
}

// A call without a login event: somebody suppresses events.
func TestUnseenLogin(t *testing.T) {
	bare := func(s *site, now time.Time, account string) {
		s.serial++
		s.Call(now, calls.Channel{Name: fmt.Sprintf("PJSIP/%s-%08x", account, s.serial), Account: account, Dialled: "02079460001", Calling: true})
	}
	s := newSite(usual())
	s.StreamStarted(noon.Add(-time.Hour))
	s.Login(noon.Add(-time.Minute), []byte("1001"), office)
	bare(s, noon, "1002")
	if got := s.MissingLogins(noon.Add(time.Second)); len(got) > 0 {
		t.Errorf("a second later: %v", got)
	}
	if got := names(s.MissingLogins(noon.Add(3 * time.Second))); got != "UnseenLogin" {
		t.Errorf("three seconds later: %q", got)
	}
	// chan_sip reports the login after the call.
	bare(s, noon.Add(time.Minute), "1002")
	s.Login(noon.Add(time.Minute+time.Millisecond), []byte("1002"), office)
	if got := s.MissingLogins(noon.Add(2 * time.Minute)); len(got) > 0 {
		t.Errorf("a login just after the call: %v", got)
	}
	// A stream without any login is a different problem.
	s.StreamStarted(noon.Add(time.Hour))
	bare(s, noon.Add(2*time.Hour), "1002")
	if got := s.MissingLogins(noon.Add(3 * time.Hour)); len(got) > 0 {
		t.Errorf("a stream without logins: %v", got)
	}
}

func TestContacts(t *testing.T) {
	s := newSite(usual())
	s.activate("1002")
	s.StreamStarted(noon.Add(-time.Hour))
	at := func(source, agent string) calls.Contact {
		return calls.Contact{Account: "1002", Source: netip.MustParseAddr(source), Agent: agent}
	}
	if got := names(s.Contacts(noon, []calls.Contact{at("198.51.100.11", "Yealink SIP-T46S")})); got != "" {
		t.Errorf("the office: %q", got)
	}
	two := []calls.Contact{at("198.51.100.11", "Yealink SIP-T46S"), at("192.0.2.66", "friendly-scanner")}
	if got := names(s.Contacts(noon.Add(time.Minute), two)); got != "NewNetwork ScannerAgent TwoNetworks" {
		t.Errorf("a second one: %q", got)
	}
	if got := names(s.CallAgent(noon, calls.Channel{Name: "PJSIP/1002-0000000a", Account: "1002"}, "Friendly-Scanner")); got != "" {
		t.Errorf("a scanner known by its registration: %q", got)
	}
	if got := names(s.CallAgent(noon, calls.Channel{Name: "PJSIP/1003-0000000b", Account: "1003"}, "pplsip")); got != "ScannerAgent" {
		t.Errorf("a call of a scanner: %q", got)
	}
	if got := names(s.Contacts(noon.Add(2*time.Minute), two)); got != "" {
		t.Errorf("the same again: %q", got)
	}
	if got := names(s.ContactLimitReached(noon.Add(2*time.Hour), []byte("1002"), attacker)); got != "TwoNetworks" {
		t.Errorf("a registration too many: %q", got)
	}
}

// chan_sip reports the source of a call only in the challenge. That is a hint, unless
// two sources are possible.
func TestHints(t *testing.T) {
	s := newSite(usual())
	s.List([]calls.Account{{Name: "1002", Login: true}})
	call := func(at time.Time) calls.Login {
		s.serial++
		signs := s.Call(at, calls.Channel{Name: fmt.Sprintf("SIP/1002-%08x", s.serial), Account: "1002", Dialled: "00881612345678", Calling: true, Since: at})
		if len(signs) == 0 || signs[0].From.Source.IsValid() {
			t.Fatalf("signs: %+v", signs)
		}
		return signs[0].Hint
	}
	s.InviteChallenged(noon, []byte("1002"), attacker)
	if got := call(noon.Add(time.Millisecond)); got != attacker {
		t.Errorf("a hint at %+v", got)
	}
	s.InviteChallenged(noon.Add(time.Second), []byte("1002"), office)
	if got := call(noon.Add(time.Second)); got != (calls.Login{}) {
		t.Errorf("with two sources, a hint at %+v", got)
	}
	if got := call(noon.Add(time.Minute)); got != (calls.Login{}) {
		t.Errorf("a minute later a hint at %+v", got)
	}
	s.InviteChallenged(noon, []byte("a nonexistent account"), attacker)
	if n := s.Tracked(); n != 1 {
		t.Errorf("%d accounts tracked, want 1", n)
	}
}

// A registration without a login event: somebody suppresses events.
func TestUnseenRegistration(t *testing.T) {
	at := func(source string) calls.Contact {
		return calls.Contact{Account: "1002", Source: netip.MustParseAddr(source)}
	}
	for name, c := range map[string]struct {
		loggedIn []time.Duration // before the second list
		want     string
	}{
		"an earlier login only":              {[]time.Duration{-time.Hour}, "UnseenLogin"},
		"a login before the registration":    {[]time.Duration{-time.Hour, -time.Minute}, ""},
		"a login just before the first list": {[]time.Duration{-5*time.Minute - time.Second}, ""},
		"registrations at another PBX":       {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(usual())
			s.activate("1002")
			s.StreamStarted(noon.Add(-2 * time.Hour))
			for _, before := range c.loggedIn {
				s.Login(noon.Add(before), []byte("1002"), office)
			}
			s.Contacts(noon.Add(-5*time.Minute), []calls.Contact{at("198.51.100.11")})
			if got := names(s.Contacts(noon, []calls.Contact{at("198.51.100.11"), at("198.51.100.12")})); got != c.want {
				t.Errorf("signs: %q, want %q", got, c.want)
			}
			if got := names(s.Contacts(noon.Add(time.Minute), []calls.Contact{at("198.51.100.11"), at("198.51.100.12")})); got != "" {
				t.Errorf("the same again: %q", got)
			}
		})
	}
	s := newSite(usual())
	s.activate("1002")
	s.StreamStarted(noon.Add(-time.Hour))
	s.Login(noon.Add(-30*time.Minute), []byte("1002"), office)
	if got := names(s.Contacts(noon, []calls.Contact{at("198.51.100.12")})); got != "" {
		t.Errorf("a registration in the first list: %q", got)
	}
}

// A network that an account was first used from a minute ago is not its home.
func TestHome(t *testing.T) {
	s := newSite(usual())
	s.activate("1002")
	s.Login(noon, []byte("1002"), attacker)
	if !s.places.Home(noon, "1002", office.Source) || s.places.Home(noon.Add(time.Hour), "1002", attacker.Source) {
		t.Error("home networks are wrong")
	}
	// At the very first start, the registrations define the home networks.
	fresh := siteAt(noon, usual())
	fresh.Contacts(noon, []calls.Contact{{Account: "1001", Source: office.Source}})
	if !fresh.places.Home(noon, "1001", office.Source) {
		t.Error("the registration found at the first start is not home")
	}
}

// Habits survive a restart. A long downtime does not make accounts dormant.
func TestHabitsSurvive(t *testing.T) {
	s := newSite(usual())
	s.RecordUptime(noon.Add(-time.Hour))
	s.activate("1002")
	s.call(noon, "1002", "0033142685300", office)
	again := siteAt(noon.Add(time.Hour), usual())
	again.restore(noon.Add(time.Hour), s)
	again.List([]calls.Account{{Name: "1002", Login: true, Sure: true}})
	if got := names(again.call(noon.Add(2*time.Hour), "1002", "0033142685301", office)); got != "" {
		t.Errorf("a usual call after a restart: %q", got)
	}
	if got := names(again.call(noon.Add(3*time.Hour), "1002", "004930123456", attacker)); got != "NewCountry NewNetwork" {
		t.Errorf("an unusual call after a restart: %q", got)
	}
	late := noon.Add(60 * 24 * time.Hour)
	gone := siteAt(late, usual())
	gone.restore(late, s)
	gone.List([]calls.Account{{Name: "1002", Login: true, Sure: true}})
	if got := names(gone.call(late, "1002", "02079460001", office)); got != "" {
		t.Errorf("the first call after two months of downtime: %q", got)
	}
}

// In the two weeks after the first start, nothing counts as new.
func TestLearning(t *testing.T) {
	s := siteAt(noon, usual())
	s.List([]calls.Account{{Name: "1002", Login: true, Sure: true}})
	if got := names(s.call(noon.Add(time.Hour), "1002", "0033142685300", office)); got != "" {
		t.Errorf("on the first day: %q", got)
	}
}

func TestGroups(t *testing.T) {
	r := usual()
	busy, quiet := r.Limits, r.Limits
	busy.Gap, quiet.Rate = 0, 1
	r.Groups = []calls.Group{{Name: "by pattern", Accounts: []string{"10*"}, Limits: busy}, {Name: "in full", Accounts: []string{"1003"}, Limits: quiet}}
	s := newSite(r)
	s.activate("1002")
	s.activate("1003")
	s.call(noon, "1002", "02079460001", office)
	if got := names(s.call(noon.Add(time.Millisecond), "1002", "02079460002", office)); got != "" {
		t.Errorf("the pattern's limits: %q", got)
	}
	if got := names(s.call(noon, "1003", "02079460001", office)); got != "CallRate" {
		t.Errorf("the named account's limits: %q", got)
	}
}

// Every call counts, even if the caller forges the same Linkedid for all of them.
func TestLinkedidIsNotTrusted(t *testing.T) {
	s := newSite(usual())
	s.activate("1002")
	for i := range 6 {
		s.serial++
		c := calls.Channel{Name: fmt.Sprintf("PJSIP/1002-%08x", s.serial), Account: "1002", Linkedid: "1.1", Dialled: "02079460001", Calling: true}
		s.Call(noon.Add(time.Duration(i)*10*time.Second), c)
	}
	if n := s.Outgoing("1002"); n != 6 {
		t.Errorf("%d calls, want 6", n)
	}
}

// Guest callers cannot exhaust memory.
func TestGuestsAreBounded(t *testing.T) {
	s := newSite(usual())
	for i := range 1<<16 + 100 {
		name := fmt.Sprintf("guest-%d", i)
		c := calls.Channel{Name: "SIP/" + name + "-00000001", Account: name, Dialled: "100", Calling: true}
		s.Call(noon.Add(time.Duration(i)*time.Millisecond), c)
		s.End(noon.Add(time.Duration(i)*time.Millisecond), c.Name)
	}
	if n := s.Tracked(); n > 1<<16 {
		t.Errorf("%d accounts tracked", n)
	}
}

func TestLoginOfKnownPhoneAllocatesNothing(t *testing.T) {
	s := newSite(usual())
	s.activate("1002")
	account, now := []byte("1002"), noon
	s.Login(now, account, office)
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Second)
		s.Login(now, account, office)
	}); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}
