package judge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

func TestVerdicts(t *testing.T) {
	for name, tc := range map[string]struct{ events, want string }{
		"three guesses": {failures("1002", thief, 3), "password guessing 192.0.2.66"},
		"two guesses":   {failures("1002", thief, 2), ""},
		"what was in the queues makes one incident":      {failures("1002", thief, 50), "password guessing 192.0.2.66"},
		"a challenge is no failure":                      {strings.Repeat(security("ChallengeSent", "1002", "c", thief, "Challenge: \r\n"), 50), ""},
		"a mistyping user":                               {failure("1002", office, 1) + success("1002", office), ""},
		"a known user who mistypes":                      {success("1002", office) + failures("1002", office, 2) + success("1002", office), ""},
		"its network fails, an unknown address succeeds": {breakIn("1002"), "break-in 1002"},
		"others fail, an unknown address succeeds":       {guessedAt("1002") + success("1002", thief), "new place 1002"},
		"others fail, the owner at home succeeds":        {success("1002", office) + failures("1002", "203.0.113.1", 2) + failures("1002", "203.0.113.2", 2) + success("1002", office), ""},
		"our own login":                                  {of("AMI", success("warden", "127.0.0.1")), ""},
		"canaries of a process before this one":          {strings.Repeat(of("AMI", failure(intake.CanaryName+"X", "127.0.0.1", 1)), 9), ""},
		"the manager's password is guessed":              {over("TCP", of("AMI", failures("admin", thief, 3))), "password guessing 192.0.2.66"},
		"a break-in on the manager":                      {of("AMI", breakIn("admin")), "break-in AMI/admin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, guessing(3))
			s.Intake.SetOwn(netip.MustParseAddr("127.0.0.1"))
			s.hear(t, noon, tc.events)
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// A guesser is dropped before anything is recorded, and its ban knows its
// incident.
func TestGuesserIsBanned(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, over("TCP", failures("1002", thief, 3)))
	if got := s.effects(); got != "drop 192.0.2.66 all #1; record password guessing 192.0.2.66" {
		t.Errorf("%s", got)
	}
	ban, ok := s.Bans.Exact(noon, netip.MustParsePrefix(thief+"/32"))
	if !ok || ban.Incident != 1 || ban.Step != 0 || ban.Since != noon.Add(200*time.Millisecond) {
		t.Errorf("%+v", ban)
	}
	i := s.incidents[0]
	if i.Account != "1002" || i.Source.String() != thief || i.Mode != incident.Enforce || len(i.Evidence) != 3 {
		t.Errorf("%+v", i)
	}
	for _, e := range i.Evidence {
		if raw := string(e.Raw); !strings.HasPrefix(raw, "Event: ChallengeResponseFailed\r\n") || !strings.Contains(raw, "Response: (left out)") || strings.Contains(raw, "Response: b") {
			t.Errorf("it was read from %q", raw)
		}
	}
}

// The window of a threshold is the time it says, no more and no less.
func TestWindowIsExact(t *testing.T) {
	for third, want := range map[time.Duration]int{time.Hour - time.Millisecond: 1, time.Hour: 0} {
		s := newSite(t, guessing(3))
		for n, after := range []time.Duration{0, time.Minute, third} {
			s.hear(t, noon.Add(after), failure("1002", thief, n))
		}
		if got := len(s.incidents); got != want {
			t.Errorf("third guess after %s: %d incidents, want %d", third, got, want)
		}
	}
}

func TestLadder(t *testing.T) {
	s := newSite(t, guessing(3))
	now := noon
	for n, want := range []time.Duration{time.Hour, 24 * time.Hour, 24 * time.Hour} {
		s.hear(t, now, over("TCP", failures("1002", thief, 3)))
		list := s.Bans.List(now.Add(time.Second))
		if len(list) != 1 || list[0].Until.Sub(list[0].Since) != want || list[0].Offence != n+1 {
			t.Fatalf("offence %d: %+v", n+1, list)
		}
		now = list[0].Until.Add(time.Minute)
		s.Prune(now)
	}
	if got := s.effects(); strings.Count(got, "192.0.2.66 ended") != 3 {
		t.Errorf("%s", got)
	}
}

// What a lone packet can spoof closes the SIP ports for a short time, again and
// again while it goes on, and never climbs the ladder. A day of it is one incident.
func TestSpoofableBanIsRenewed(t *testing.T) {
	s := newSite(t, guessing(3))
	now := noon
	for round := range 200 {
		n := 3
		if round > 0 {
			n = 1 // one more failure is enough
		}
		s.hear(t, now, failures("1002", thief, n))
		if got := s.bans(now.Add(time.Second)); got != "192.0.2.66/32 sip #0" {
			t.Fatalf("round %d: %s", round, got)
		}
		b := s.Bans.List(now.Add(time.Second))[0]
		if d := b.Until.Sub(b.Since); d != 10*time.Minute {
			t.Errorf("round %d lasts %s", round, d)
		}
		if want := int64(1 + now.Sub(noon)/(24*time.Hour)); b.Incident != want || len(s.incidents) != int(want) {
			t.Fatalf("round %d, after %s: incident %d of %d, want %d", round, now.Sub(noon), b.Incident, len(s.incidents), want)
		}
		now = b.Until.Add(time.Minute)
	}
	if got := s.incidents[1].Reason; !strings.HasPrefix(got, "continues after its ban: ") {
		t.Errorf("the next day: %s", got)
	}
	now = now.Add(2 * time.Hour)
	s.hear(t, now, failures("1002", thief, 1))
	if got := s.bans(now.Add(time.Second)); got != "" {
		t.Errorf("banned for one failure long after: %s", got)
	}
}

// A spoofable ban becomes a proven one, of the same incident, as soon as proven
// failures alone reach its threshold; not before.
func TestProofComes(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, failures("1002", thief, 3))
	s.hear(t, noon.Add(time.Second), over("TCP", failures("1002", thief, 2)))
	if got := s.bans(noon.Add(2 * time.Second)); got != "192.0.2.66/32 sip #0" {
		t.Fatalf("after two proven failures: %s", got)
	}
	s.effects()
	s.hear(t, noon.Add(2*time.Second), over("TCP", failures("1002", thief, 1)))
	if got := s.effects(); got != "promote 192.0.2.66 all #1" {
		t.Errorf("%s", got)
	}
	ban, _ := s.Bans.Exact(noon.Add(3*time.Second), netip.MustParsePrefix(thief+"/32"))
	if ban.Scope != incident.ScopeAll || ban.Incident != 1 || ban.Step != 0 || s.Counters().Confirmed != 1 || len(s.incidents) != 1 {
		t.Errorf("%+v, %d incidents", ban, len(s.incidents))
	}
}

// A spoofable ban of before a restart is proven in the step that is the ban, which the
// ledger finds by its address.
func TestProofComesAfterARestart(t *testing.T) {
	p := guessing(3)
	p.Playbooks["block"] = []incident.StepKind{incident.StepNotify, incident.StepBan}
	s := newSite(t, p)
	s.Bans.Put(incident.Ban{
		Prefix: netip.MustParsePrefix(thief + "/32"), Since: noon, Until: noon.Add(10 * time.Minute), Scope: incident.ScopeSIP,
		Origin: "password guessing", Incident: 7, Step: incident.StepUnknown,
	})
	s.hear(t, noon.Add(time.Second), over("TCP", failures("1002", thief, 3)))
	if b := s.dropped[netip.MustParsePrefix(thief+"/32")]; b.Incident != 7 || b.Step != incident.StepUnknown || b.Scope != incident.ScopeAll || s.effects() != "promote 192.0.2.66 all #1" {
		t.Errorf("%+v", b)
	}
}

// A network is dropped for what its addresses have proven, never for what
// packets claim; then the last address is dropped like any other.
func TestNetworksNeedProof(t *testing.T) {
	p := guessing(100)
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "a network takes turns", Per: score.PerNetwork, Points: p.Thresholds[0].Points, Score: 6, Within: time.Hour, Playbook: "block",
	})
	var turns strings.Builder
	for i := range 6 {
		turns.WriteString(failures("1002", fmt.Sprintf("203.0.113.%d", 10+i), 1))
	}
	s := newSite(t, p)
	s.hear(t, noon, turns.String())
	if got := s.bans(noon.Add(time.Second)); got != "203.0.113.15/32 sip #0" {
		t.Errorf("spoofable: %s", got)
	}
	s.hear(t, noon.Add(time.Minute), over("TCP", turns.String()))
	if got := s.bans(noon.Add(2 * time.Minute)); !strings.HasPrefix(got, "203.0.113.0/24 all #1") {
		t.Errorf("proven: %s", got)
	}
	s = newSite(t, p)
	s.SetContacts(noon, []places.Contact{{Account: "1001", Source: netip.MustParseAddr("203.0.113.200")}}, nil)
	s.hear(t, noon, over("TCP", turns.String()))
	if got := s.bans(noon.Add(time.Second)); got != "203.0.113.15/32 all #1" {
		t.Errorf("with a phone in it: %s", got)
	}
}

// Registrations protect their addresses from evidence that can be spoofed; the
// allow list protects from everything.
func TestProtectedAddresses(t *testing.T) {
	p := guessing(3)
	p.Allow = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	s := newSite(t, p)
	s.registered(noon, "1001")
	s.hear(t, noon, failures("1002", office, 3)+failures("1002", "203.0.113.5", 3))
	if got := s.bans(noon.Add(time.Second)); got != "" {
		t.Errorf("banned: %s", got)
	}
	for n, want := range []string{"protected (registered contact of 1001), and the evidence can be spoofed", "on the allow list"} {
		if len(s.incidents) != 2 || s.incidents[n].Steps[0].Detail != want {
			t.Fatalf("incident %d of %d does not say %q", n, len(s.incidents), want)
		}
	}
	s.effects()
	s.hear(t, noon.Add(time.Minute), over("TCP", failures("1002", office, 3)))
	if got := s.effects(); got != "join #1; extend password guessing 198.51.100.10; drop the connection 198.51.100.10:5060" {
		t.Errorf("on proof: %s", got)
	}
}

// A protected address spoofed a thousand times makes one incident.
func TestPlansThatOnlyInformAreDeduplicated(t *testing.T) {
	p := guessing(3)
	p.Playbooks["block"] = []incident.StepKind{incident.StepBan, incident.StepNotify}
	s := newSite(t, p)
	s.registered(noon, "1001")
	s.hear(t, noon, failures("1002", office, 1000))
	if len(s.incidents) != 1 || s.Counters().Suppressed != 332 {
		t.Errorf("%d incidents, %d suppressed", len(s.incidents), s.Counters().Suppressed)
	}
	s.hear(t, noon.Add(3*time.Hour), failures("1002", office, 3))
	if len(s.incidents) != 2 {
		t.Errorf("%d incidents after the threshold's time", len(s.incidents))
	}
}

// What was spoofed before it was known whom the PBX trusts is found when it is.
func TestMisbanned(t *testing.T) {
	s := newSite(t, guessing(3))
	if list := s.Misbanned(noon); list != nil {
		t.Errorf("%v", list)
	}
	s.hear(t, noon, failures("1002", "203.0.113.100", 3)+failures("1002", office, 3)+failures("1002", thief, 3)+over("TCP", failures("1002", "203.0.113.101", 3)))
	s.Places.SetCarriers([]places.Protected{{Prefix: netip.MustParsePrefix("203.0.113.96/28"), Why: "identify of carrier"}})
	s.registered(noon.Add(2*time.Second), "1001")
	var got []string
	for _, b := range s.Misbanned(noon.Add(2 * time.Second)) {
		got = append(got, b.Prefix.String())
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "198.51.100.10/32 203.0.113.100/32" {
		t.Errorf("%v", got)
	}
}

// chan_sip's connections name any address they like: it is dropped whole, for
// the short time, and a spoofable ban over UDP does not stand in the way.
func TestChanSIPOverAConnection(t *testing.T) {
	s := newSite(t, guessing(3))
	guess := func(transport event.Transport, n int) {
		for i := range 3 {
			s.sees(noon.Add(time.Duration(n+i)*time.Second), event.Event{
				Kind: event.InvalidPassword, Service: []byte("SIP"), AccountID: []byte("1002"), SessionID: fmt.Appendf(nil, "0x%d", n+i),
				Remote: netip.MustParseAddrPort("192.0.2.66:5060"), Transport: transport,
			})
		}
	}
	guess(event.UDP, 0)
	if got := s.bans(noon.Add(5 * time.Second)); got != "192.0.2.66/32 sip #0" {
		t.Errorf("over UDP: %s", got)
	}
	guess(event.TCP, 10)
	if got := s.bans(noon.Add(20 * time.Second)); got != "192.0.2.66/32 brief #0" {
		t.Errorf("over TCP: %s", got)
	}
}

// In mode observe everything is decided and recorded, the ladder is climbed, and
// nothing is carried out.
func TestObserveChangesNothing(t *testing.T) {
	p := guessing(3)
	p.Observe = true
	s := newSite(t, p)
	s.hear(t, noon, over("TCP", failures("1002", thief, 20))+success("1002", thief))
	if got := s.effects(); got != "record password guessing 192.0.2.66; join #1; extend break-in 1002" {
		t.Errorf("%s", got)
	}
	if s.incidents[0].Mode != incident.Observe || s.bans(noon.Add(time.Second)) != "192.0.2.66/32 all #1" {
		t.Errorf("%s: %s", s.incidents[0].Mode, s.bans(noon.Add(time.Second)))
	}
	later := noon.Add(2 * time.Hour)
	s.Prune(later)
	s.hear(t, later, over("TCP", failures("1003", thief, 3)))
	if got := s.bans(later.Add(time.Second)); got != "192.0.2.66/32 all #2" {
		t.Errorf("the second time: %s", got)
	}
}

// One phone's wrong password costs its own flow, again and again, and makes one
// incident that says which phone it is; for as long as its plan said, whatever
// is configured meanwhile.
func TestWrongPasswordInAnOffice(t *testing.T) {
	s := newSite(t, guessing(3))
	s.registered(noon, "1001", "1002", "1003", "1004")
	s.challenged(noon, office)
	round := func(n int) {
		s.hear(t, noon.Add(time.Duration(n)*10*time.Second), from(5073, failures("1004", office, 3)))
	}
	round(0)
	round(1)
	p := guessing(3)
	p.Ladder.Spoofable = []time.Duration{time.Minute}
	if err := s.Configure(p); err != nil {
		t.Fatal(err)
	}
	round(2)
	want := "record password guessing 198.51.100.10; drop the flow 198.51.100.10:5073; " +
		"drop the flow 198.51.100.10:5073 again for 10m0s; drop the flow 198.51.100.10:5073 again for 1m0s"
	if got := s.effects(); got != want || s.bans(noon.Add(time.Minute)) != "" || s.Counters().Flows != 3 {
		t.Errorf("%s; banned %s", got, s.bans(noon.Add(time.Minute)))
	}
	i := s.incidents[0]
	if step := i.Steps[0]; step.Flow.For != 10*time.Minute || step.Flow.Phone != `the phone of extension "1004" (User-Agent "Snom 1004")` {
		t.Errorf("%+v", step)
	}
}

// Forged lines count against the address that Asterisk itself wrote, and the log
// counts for nothing that the events reported.
func TestOtherSensors(t *testing.T) {
	p := guessing(3)
	p.Log = true
	s := newSite(t, p)
	forged := event.Event{Remote: netip.MustParseAddrPort(thief + ":5060"), Transport: event.UDP}
	s.Tampered(noon, intake.SensorAMI, &forged)
	s.Tampered(noon, intake.SensorAMI, &event.Event{})
	if got := s.effects(); got != "drop 192.0.2.66 sip #0; record scanning 192.0.2.66" || s.Counters().Tampered != 2 {
		t.Errorf("%s", got)
	}
	guess := event.Event{Kind: event.InvalidPassword, Service: []byte("PJSIP"), AccountID: []byte("1002"), SessionID: []byte("a"), Remote: netip.MustParseAddrPort(office + ":5060")}
	if !s.Event(noon, intake.SensorAMI, &guess) || s.Event(noon, intake.SensorLog, &guess) {
		t.Error("the log's report of the same is news")
	}
	misdialled := event.Event{Kind: event.FailedACL, AccountID: []byte("1002"), ACLName: []byte("no_extension_match"), Remote: netip.MustParseAddrPort(office + ":5060")}
	if s.Event(noon, intake.SensorLog, &misdialled) {
		t.Error("a misdialled number is news")
	}
	s.Ignored()
	if c := s.Counters(); c.Observations != 1 || c.Logged != 1 || c.Events != 5 {
		t.Errorf("%+v", c)
	}
	if !s.Blinded(noon) || s.Blinded(noon.Add(time.Second)) || s.Counters().NotIssued != 2 {
		t.Error("Asterisk's word that it is blind")
	}
}

// Where a nonce went is counted.
func TestChallengesAreCounted(t *testing.T) {
	s := newSite(t, guessing(3))
	s.challenged(noon, office)
	s.Challenged(noon, netip.MustParseAddr(thief), []netip.Addr{netip.MustParseAddr(office)}, []byte("1/b"))
	if c := s.Counters(); c.Challenges != 1 || c.Misdirected != 1 {
		t.Errorf("%+v", c)
	}
}

// Proof makes a ban wider, never shorter: a guesser kept out for a day on evidence that may
// be spoofed is not let in again after the 15 minutes of a first offence. Near an account
// forged packets cannot have brought a long ban, so an owner who mistypes gets the first rung.
func TestProofDoesNotShortenABan(t *testing.T) {
	for name, tc := range map[string]struct {
		near bool
		want time.Duration // from the first guess on
	}{
		"a thief":               {false, 24 * time.Hour},
		"somebody near a phone": {true, 15*time.Minute + 2*time.Second},
	} {
		p := climbing()
		p.Ladder.Times = []time.Duration{15 * time.Minute, 4 * time.Hour}
		p.Ladder.Scopes = []incident.Scope{incident.ScopeAsterisk, incident.ScopeAll}
		s := newSite(t, p)
		prefix := netip.MustParsePrefix(thief + "/32")
		if tc.near {
			s.Places.Know("1001", netip.MustParseAddr("192.0.77.7"), noon)
		}
		s.Repeats.Set(prefix, 3, noon.Add(-time.Hour))
		for range 3 {
			s.guess(noon, thief)
		}
		for n := range 3 {
			s.hear(t, noon.Add(2*time.Second), over("TCP", failure("1002", thief, 10+n)))
		}
		ban, ok := s.Bans.Exact(noon.Add(time.Minute), prefix)
		if !ok || ban.Scope != incident.ScopeAsterisk || ban.Offence != 1 || !ban.Until.Equal(noon.Add(tc.want)) {
			t.Errorf("%s: %+v", name, ban)
		}
		if b := s.dropped[prefix]; b.Until != ban.Until {
			t.Errorf("%s: the kernel has %+v", name, b)
		}
	}
}
