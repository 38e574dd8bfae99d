package judge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// sharing is a site that bans at three wrong passwords and knows where these accounts
// live: at the office, from the ledger alone.
func sharing(t *testing.T, accounts ...string) *site {
	t.Helper()
	p := guessing(3)
	p.Throttles = true
	p.Ladder.Spoofable = []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour}
	p.Ladder.Forget = 30 * 24 * time.Hour
	s := newSite(t, p)
	for _, a := range accounts {
		s.Places.Know(a, netip.MustParseAddr(office), noon.Add(-20*24*time.Hour))
	}
	return s
}

// accounts are those 1001 and following.
func accounts(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(1001+i))
	}
	return list
}

// guesses are wrong passwords for these accounts in turn, proven, from one port.
func guesses(port int, accounts ...string) string {
	var b strings.Builder
	for i, a := range accounts {
		b.WriteString(failure(a, office, port*100+i))
	}
	return from(port, b.String())
}

// What is cut, when others live at an address that fails.
func TestOnlyWhatWasUsedIsCut(t *testing.T) {
	const flow, whole = "record password guessing 198.51.100.10; drop the flow 198.51.100.10:40000", "drop 198.51.100.10 all #1; record password guessing 198.51.100.10"
	stale, stranger := guesses(40000, "1001", "1001", "1001"), guesses(40000, "1009", "1009", "1009")
	for name, tc := range map[string]struct {
		site   func(t *testing.T) *site
		events string
		want   string
	}{
		"a home with one healthy and one stale phone":   {func(t *testing.T) *site { return sharing(t, "1001", "1002") }, stale, flow},
		"a home with a stale phone alone":               {func(t *testing.T) *site { return sharing(t, "1001") }, stale, flow},
		"twenty phones, all of them only in the ledger": {func(t *testing.T) *site { return sharing(t, accounts(20)...) }, stale, flow},
		"an office, of whose accounts all are tried from one port": {
			func(t *testing.T) *site { return sharing(t, "1001", "1002", "1003") },
			guesses(40000, "1001", "1002", "1003"), flow,
		},
		"the same over WebSocket": {
			func(t *testing.T) *site { return sharing(t, "1001", "1002", "1003") },
			over("WS", guesses(40000, "1001", "1002", "1003")), strings.Replace(flow, "flow", "connection", 1),
		},
		"registered phones, each tried from another port": {
			func(t *testing.T) *site {
				s := sharing(t, "1001", "1002")
				s.registered(noon, "1001", "1002")
				return s
			},
			guesses(40000, "1001", "1002") + guesses(40000, "1001"), flow,
		},
		"an address where nobody lives": {func(t *testing.T) *site { return sharing(t) }, stale, whole},
		"who lived there long ago": {func(t *testing.T) *site {
			s := sharing(t)
			s.Places.Know("1002", netip.MustParseAddr(office), noon.Add(-31*24*time.Hour))
			return s
		}, stranger, whole},
		"an account that somebody else has": {func(t *testing.T) *site {
			s := sharing(t, "1002")
			s.Places.RestoreThief("1002", netip.MustParsePrefix(thief+"/32"), noon)
			return s
		}, stranger, whole},
		"an account that was betrayed": {func(t *testing.T) *site {
			s := sharing(t, "1002")
			s.Places.Compromise(places.Compromise{Account: "1002", At: noon.Add(-2 * time.Hour)})
			return s
		}, stranger, whole},
		"not used since its password was changed": {func(t *testing.T) *site {
			s := sharing(t, "1002")
			s.Places.Compromise(places.Compromise{Account: "1002", At: noon.Add(-2 * time.Hour)})
			s.PasswordChanged(noon.Add(-time.Hour), "1002")
			return s
		}, stranger, whole},
		"used since its password was changed": {func(t *testing.T) *site {
			s := sharing(t, "1001", "1002")
			s.Places.Compromise(places.Compromise{Account: "1002", At: noon.Add(-2 * time.Hour)})
			s.PasswordChanged(noon.Add(-time.Hour), "1002")
			s.hear(t, noon.Add(-time.Minute), success("1002", office))
			return s
		}, stale, flow},
		"two phones, both with an old password": {func(t *testing.T) *site {
			s := sharing(t, "1001", "1002")
			s.challenged(noon.Add(-time.Minute), office)
			s.hear(t, noon.Add(-time.Minute), guesses(50000, "1002", "1002"))
			return s
		}, guesses(40000, "1001"), whole},
		"on the allow list": {func(t *testing.T) *site {
			s := sharing(t, "1001", "1002")
			s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix(office + "/32")})
			return s
		}, stale, "record password guessing 198.51.100.10"},
	} {
		s := tc.site(t)
		s.effects()
		s.challenged(noon, office)
		s.hear(t, noon, tc.events)
		if got := s.effects(); got != tc.want {
			t.Errorf("%s: %s\nwant %s", name, got, tc.want)
		}
	}
}

// A guesser behind the office goes on from ever new ports over UDP: it is throttled, and
// the phones are not.
func TestGuesserChangesItsPort(t *testing.T) {
	s := sharing(t, accounts(5)...)
	s.registered(noon, accounts(5)...)
	s.challenged(noon, office)
	for port := 40000; port < 40006; port++ {
		s.hear(t, noon.Add(time.Duration(port-40000)*time.Second), guesses(port, "1001", "1002", "1003"))
	}
	want := "record password guessing 198.51.100.10; drop the flow 198.51.100.10:40000; drop the flow 198.51.100.10:40001 again for 10m0s; drop the flow 198.51.100.10:40002 again for 10m0s; " +
		"suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5070 198.51.100.10:5071 198.51.100.10:5072 198.51.100.10:5073 198.51.100.10:5074]; join #1; extend password guessing 198.51.100.10"
	if got := s.effects(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if step := s.incidents[0].Steps[1]; !strings.Contains(step.Detail, "Asterisk sees 5 of 5 registered extensions behind it; throttled until 2026-11-22 12:10:03 UTC, and longer while it goes on: at most 10 guesses a minute") || !step.Instead {
		t.Errorf("%+v", step)
	}
}

// Over connections its address is closed, for longer each time, but for the connections
// of live registrations; a person opens it again.
func TestGuesserConnectsAgainAndAgain(t *testing.T) {
	s := sharing(t, "1001", "1002", "1003")
	s.registered(noon, "1001", "1002")
	// Asterisk does not name the port of a browser, its login does.
	s.hear(t, noon, strings.ReplaceAll(over("WSS", success("1001", office)), "/5060\r\n", "/51000\r\n"))
	port := 40000
	guess := func(at time.Time, n int) {
		for range n {
			s.hear(t, at, over("WSS", guesses(port, "1001", "1002", "1003")))
			port++
		}
	}
	guess(noon, 4)
	want := "record password guessing 198.51.100.10; drop the connection 198.51.100.10:40000; drop the connection 198.51.100.10:40001 again for 10m0s; drop the connection 198.51.100.10:40002 again for 10m0s; " +
		"close 198.51.100.10 for 10m0s, but not [198.51.100.10:5070 198.51.100.10:51000 198.51.100.10:5071]; join #1; extend password guessing 198.51.100.10"
	if got := s.effects(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	at := noon
	closed := 10 * time.Minute
	for _, longer := range []time.Duration{time.Hour, 4 * time.Hour, 24 * time.Hour, 24 * time.Hour} {
		at = at.Add(closed + time.Minute)
		s.Prune(at)
		guess(at, 4)
		if got := s.effects(); !strings.Contains(got, fmt.Sprintf("close 198.51.100.10 for %s,", longer)) {
			t.Errorf("the next time, at %s: %s", at, got)
		}
		closed = longer
	}
	if s.bans(at) != "" {
		t.Errorf("bans %s", s.bans(at))
	}
	var listed []incident.PartialBlock
	for _, b := range s.Partial.List(at) {
		if b.Kind == incident.ClosedAddress {
			listed = append(listed, b)
		}
	}
	if len(listed) != 1 || listed[0].Target() != office || listed[0].Words() != "new connections" || listed[0].Incident == 0 {
		t.Fatalf("listed: %+v", listed)
	}
	undo := s.Partial.Lift(listed[0])
	if undo(); !slices.Contains(s.Partial.List(at), listed[0]) {
		t.Error("not listed although the kernel closes it")
	}
	s.Partial.Lift(listed[0])
	if slices.Contains(s.Partial.List(at), listed[0]) {
		t.Error("listed after it was lifted")
	}
	guess(at.Add(2*time.Hour), 1)
	s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix(office + "/32")})
	s.Partial.EndAllowed(at)
}

// A phone over TCP with an old password connects every 20 seconds for a day: only its
// connections are dropped, and one incident names it.
func TestStalePhoneOverTCP(t *testing.T) {
	s := sharing(t, "1001", "1002")
	for i := range 24 * 60 * 3 {
		at := noon.Add(time.Duration(i) * 20 * time.Second)
		s.hear(t, at, over("TCP", guesses(1024+i, "1001")))
		if i%3 == 0 {
			s.Prune(at)
		}
	}
	log := s.effects()
	if strings.Contains(log, "close") || strings.Contains(log, "drop "+office) || s.verdicts() != "password guessing 198.51.100.10" && strings.Count(s.verdicts(), ",") > 1 {
		t.Errorf("incidents %s: %.300s", s.verdicts(), log)
	}
	if step := s.incidents[0].Steps[0]; step.Flow.About != `the phone of extension "1001" has a wrong password, correct it` {
		t.Errorf("%+v", step)
	}
}

// Somebody with a cheap account of its own guesses at others from its server: it is cut
// off as far as its own registration goes.
func TestGuesserWithAnAccountOfItsOwn(t *testing.T) {
	s := sharing(t)
	s.hear(t, noon.Add(-time.Hour), strings.ReplaceAll(success("1009", office), "/5060\r\n", "/5099\r\n"))
	s.challenged(noon, office)
	answered := 0
	for port := 40000; port < 40100 && !strings.Contains(s.effects(), "suspect"); port++ {
		s.hear(t, noon.Add(time.Duration(port-40000)*time.Second), guesses(port, "1001", "1002", "1003"))
		answered += 3
	}
	if answered != 12 {
		t.Errorf("%d guesses until it is throttled, want 12", answered)
	}
}

// Where the kernel lets nobody decide about packets, the address is closed over UDP, too.
func TestGuesserWhereNothingCanBeThrottled(t *testing.T) {
	p := guessing(3)
	s := newSite(t, p)
	s.registered(noon, "1001", "1002")
	s.challenged(noon, office)
	for port := 40000; port < 40004; port++ {
		s.hear(t, noon, guesses(port, "1001", "1002", "1003"))
	}
	if got := s.effects(); !strings.Contains(got, "suspect 198.51.100.10 for 10m0s, but not [198.51.100.10:5070 198.51.100.10:5071]") {
		t.Error(got)
	}
}

// There, too, the address is closed for longer each time that the guesser goes on, until a
// person opens it.
func TestClosedOverUDPForLongerEachTime(t *testing.T) {
	p := guessing(3)
	p.Ladder.Spoofable = []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour}
	s := newSite(t, p)
	s.registered(noon, "1001", "1002")
	s.challenged(noon, office)
	port := 40000
	guess := func(at time.Time) {
		s.challenged(at, office)
		for range 4 {
			s.hear(t, at, guesses(port, "1001", "1002", "1003"))
			port++
		}
	}
	at := noon
	for _, want := range []time.Duration{10 * time.Minute, time.Hour, 4 * time.Hour, 4 * time.Hour} {
		guess(at)
		guess(at.Add(6 * time.Minute)) // what was in Asterisk's queues
		s.Partial.ThrottleAcknowledged(at, netip.MustParsePrefix(office+"/32"), nil)
		if got := s.effects(); !strings.Contains(got, fmt.Sprintf("suspect 198.51.100.10 for %s,", want)) {
			t.Errorf("at %s: %s, want %s", at, got, want)
		}
		var until time.Time
		for _, b := range s.Partial.List(at.Add(6 * time.Minute)) {
			if b.Kind == incident.ClosedAddress {
				until = b.Until
			}
		}
		at = until.Add(time.Minute)
		s.Prune(at)
	}
	guess(at)
	for _, b := range s.Partial.List(at) {
		if b.Kind == incident.ClosedAddress {
			s.Partial.Lift(b)
		}
	}
	s.effects()
	guess(at.Add(time.Minute))
	if got := s.effects(); !strings.Contains(got, "suspect 198.51.100.10 for 10m0s,") {
		t.Errorf("after a person opened it: %s", got)
	}
}

// Spoofed packets drop nobody's flow, nor a ban where accounts are known from the ledger
// alone.
func TestSpoofedPacketsNameAnOffice(t *testing.T) {
	s := sharing(t, "1001", "1002", "1003")
	s.hear(t, noon, strings.ReplaceAll(failures("1003", office, 30), "Challenge: 1/a", "Challenge: made up"))
	if got := s.effects(); strings.Contains(got, "flow") || strings.Contains(got, "drop") || !strings.Contains(got, "suspect") {
		t.Error(got)
	}
	if step := s.incidents[0].Steps[0]; !strings.HasPrefix(step.Detail, "protected (used by 1001 and 2 more), and the evidence can be spoofed") {
		t.Error(step.Detail)
	}
}

// callRate adds the rule about calls to a policy, as the defaults have it.
func callRate(p judge.Policy) judge.Policy {
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "faster than a person dials", Per: score.PerAccount, Points: map[score.Signal]int{score.CallRate: 5}, Score: 5, Within: 2 * time.Minute, Playbook: "compromise",
	})
	p.Calls.Limits.Rate = 10
	return p
}

// Eleven short calls within a minute from an office's phone: its account is contained,
// and no other phone there notices.
func TestCallRateActsOnTheAccount(t *testing.T) {
	calls := func(s *site) {
		for i := range 11 {
			at := noon.Add(time.Duration(i) * 3 * time.Second)
			s.hear(t, at, strings.ReplaceAll(success("1001", office), "/5060\r\n", "/5070\r\n"))
			channel := fmt.Sprintf("PJSIP/1001-%08x", i)
			s.rings(at, channel, "1002")
			s.hangsUp(at.Add(time.Second), channel)
		}
	}
	for name, tc := range map[string]struct {
		others []string
		want   string
	}{
		"with others": {[]string{"1002", "1003"}, "drop the flow 198.51.100.10:5070"},
		"alone":       {nil, "drop 198.51.100.10 all #1"},
	} {
		s := newSite(t, callRate(guessing(3)))
		for _, a := range append(slices.Clone(tc.others), "1001") {
			s.Places.Know(a, netip.MustParseAddr(office), noon.Add(-time.Hour))
		}
		calls(s)
		if got := s.effects(); !strings.Contains(got, tc.want) || len(s.incidents) != 1 {
			t.Errorf("%s: %s", name, got)
		}
		if got := s.bans(noon.Add(time.Hour - time.Minute)); (got == "") != (len(tc.others) > 0) {
			t.Errorf("%s: bans %s", name, got)
		}
		if i := s.incidents[0]; i.Account != "1001" || i.Steps[1].Step != incident.StepHangup || i.Steps[1].State != incident.Intended {
			t.Errorf("%s: %+v", name, i)
		}
	}
}

// A break-in from an office's guest network costs the guest its flow and the account its
// password, and the office nothing.
func TestBreakInFromTheOffice(t *testing.T) {
	s := sharing(t, "1001", "1002")
	s.challenged(noon, office)
	s.hear(t, noon, over("TCP", guesses(40000, "1003", "1003"))+over("TCP", guesses(40001, "1003", "1003")+strings.ReplaceAll(success("1003", office), "/5060\r\n", "/40001\r\n")))
	i := s.incidents[len(s.incidents)-1]
	if i.Threshold != "break-in" || i.Steps[0].Target != office+":40001" || !i.Steps[0].Flow.Connection || i.Steps[2].State != incident.Intended {
		t.Errorf("%s: %+v", i.Threshold, i.Steps)
	}
	if got := s.bans(noon.Add(time.Minute)); got != "" {
		t.Errorf("bans %s", got)
	}
}

// Where others have long been, wrong passwords for an account that is not used there are those
// of whoever sets up its phone, or of a guest before its owner comes: the password stays, and
// calls that cost are ended. Whoever tries several, or is alone there, has it changed.
func TestBreakInAmongOthers(t *testing.T) {
	const own = "PJSIP/1003-00000001"
	twice := func(accounts ...string) (events string) {
		for _, a := range accounts {
			events += over("TCP", failures(a, office, 2))
		}
		return events
	}
	for name, tc := range map[string]struct {
		at     string
		events string
		number string // that is called afterwards; "" is none
		want   string
	}{
		"a new phone, corrected":        {office, over("TCP", failures("1003", office, 5)), "", "new place 1003"},
		"and it calls a premium number": {office, over("TCP", failures("1003", office, 5)), premium, "new place 1003, break-in 1003"},
		"several accounts are tried":    {office, twice("1003", "1004", "1005") + twice("1003"), "", "break-in 1003"},
		"a phone that lives there, too": {office, twice("1001", "1003") + twice("1003"), "", "new place 1003"},
		"nobody else is there":          {newPlace, over("TCP", failures("1003", newPlace, 5)), "", "break-in 1003"},
	} {
		t.Run(name, func(t *testing.T) {
			s := owned(t, suspecting())
			s.hear(t, noon, tc.events)
			for n := range 3 { // the phone signs in again and again
				s.hear(t, noon.Add(time.Duration(n+1)*time.Hour), over("TCP", success("1003", tc.at)))
			}
			if tc.number != "" {
				s.rings(noon.Add(3*time.Hour+time.Second), own, tc.number)
			}
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// turnTaking adds a rule per network, as the defaults have it.
func turnTaking() judge.Policy {
	p := guessing(100)
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "network takes turns", Per: score.PerNetwork, Points: p.Thresholds[0].Points, Score: 15, Within: 24 * time.Hour, Playbook: "block",
	})
	p.Ladder = decide.Ladder{Times: []time.Duration{time.Hour}, Forget: 24 * time.Hour, Spoofable: []time.Duration{10 * time.Minute}}
	return p
}

// A network is banned when its addresses take turns, not because of one of them; and an
// office in it is spared like any other.
func TestNetworksCountAddresses(t *testing.T) {
	one := over("TCP", failures("1009", "198.51.100.66", 300))
	var five strings.Builder
	for i := range 5 {
		five.WriteString(over("TCP", failures("1009", fmt.Sprintf("198.51.100.%d", 60+i), 3)))
	}
	stale := over("TCP", guesses(40000, slices.Repeat([]string{"1001"}, 15)...))
	for name, tc := range map[string]struct {
		site   func(s *site)
		events string
		want   string // bans
		flow   bool
	}{
		"one source at wire speed":            {func(*site) {}, one, "198.51.100.66/32 all #1", false},
		"five take turns":                     {func(*site) {}, five.String(), "198.51.100.0/24 all #1", false},
		"five take turns around a known home": {func(s *site) { s.Places.Know("1001", netip.MustParseAddr(office), noon) }, five.String(), "198.51.100.64/32 all #1", false},
		"a stale phone among five": {func(s *site) {
			s.registered(noon, accounts(5)...)
		}, stale, "", false},
		"a stale phone in a network that takes turns": {func(s *site) {
			s.registered(noon, accounts(5)...)
			s.hear(t, noon, strings.ReplaceAll(five.String(), "198.51.100.64", "198.51.100.90")[:len(five.String())*4/5])
		}, stale, "", true},
	} {
		s := newSite(t, turnTaking())
		tc.site(s)
		s.effects()
		s.hear(t, noon.Add(time.Minute), tc.events)
		if got := s.bans(noon.Add(2 * time.Minute)); got != tc.want {
			t.Errorf("%s: bans %q, want %q", name, got, tc.want)
		}
		if got := s.effects(); strings.Contains(got, "drop the connection "+office+":40000") != tc.flow {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A ban from before an account was known does not become a long one where it lives now.
func TestNoPromotionWhereOthersLive(t *testing.T) {
	s := sharing(t)
	s.hear(t, noon, strings.ReplaceAll(failures("1003", office, 3), "Challenge: 1/a", "Challenge: made up"))
	s.Places.Know("1001", netip.MustParseAddr(office), noon)
	s.challenged(noon.Add(time.Minute), office)
	s.hear(t, noon.Add(time.Minute), guesses(40000, "1003", "1003", "1003"))
	if got := s.bans(noon.Add(2 * time.Minute)); strings.Contains(got, "all") {
		t.Errorf("bans %s", got)
	}
}

// A guesser with an account of its own signs in wherever it guesses from, so that an
// account in use there spares the address. That holds for three of them.
func TestOwnAccountSparesFewAddresses(t *testing.T) {
	for name, tc := range map[string]struct {
		source string
		want   string // bans
	}{
		"addresses all over":     {"45.%d.7.9", "45.4.7.9/32 all #1, 45.5.7.9/32 all #1, 45.6.7.9/32 all #1, 45.7.7.9/32 all #1"},
		"addresses of a network": {"45.9.7.%d", "45.9.7.0/24 all #1, 45.9.7.4/32 all #1, 45.9.7.5/32 all #1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := guessing(3)
			p.Thresholds = append(p.Thresholds, score.Threshold{
				Name: "network", Per: score.PerNetwork, Points: map[score.Signal]int{score.ChallengeResponseFailed: 1}, Score: 15, Within: 24 * time.Hour, Playbook: "block",
			})
			s := newSite(t, p)
			s.Calls.List([]calls.Account{{Name: "1001", Login: true}, {Name: "2001", Login: true}})
			for n := range 7 {
				source, at := fmt.Sprintf(tc.source, n+1), noon.Add(time.Duration(n)*time.Minute)
				if _, banned := s.Bans.Covering(at, netip.MustParsePrefix(source+"/32")); banned {
					continue
				}
				s.hear(t, at, over("TCP", success("2001", source)+failures("1001", source, 3)))
			}
			if got := s.bans(noon.Add(10 * time.Minute)); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// A guest at an office of browsers fails once for each of its extensions, over ever new
// connections: the office is not blocked.
func TestGuestFailsForEveryBrowser(t *testing.T) {
	s := sharing(t, accounts(4)...)
	var contacts []places.Contact
	for i, a := range accounts(4) {
		contacts = append(contacts, places.Contact{Account: a, Source: netip.MustParseAddr(office)})
		s.hear(t, noon, from(30000+i, over("WSS", success(a, office))))
	}
	s.SetContacts(noon, contacts, nil)
	for i, a := range append(accounts(4), accounts(4)...) {
		s.hear(t, noon.Add(time.Duration(i+1)*time.Minute), from(40000+i, over("WSS", failure(a, office, i))))
	}
	if got := s.bans(noon.Add(10 * time.Minute)); got != "" {
		t.Errorf("banned: %s", got)
	}
}
