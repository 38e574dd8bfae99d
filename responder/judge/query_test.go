package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
	"github.com/tollwarden/tollwarden/responder/score"
)

// After a change of password a person learns whose phones need it: those where
// the account is at home, not the thief's, who had the right password too.
func TestPhonesOf(t *testing.T) {
	p := guessing(3)
	p.Calls.Learn = 14 * 24 * time.Hour
	s := newSite(t, p)
	says := func(want string) {
		t.Helper()
		if got := s.PhonesOf(noon, "1002"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	says("no IP address of its phones is known")

	home, other := netip.MustParseAddr(office), netip.MustParseAddr(thief)
	s.Places.Know("1002", home, noon.Add(-time.Hour))
	s.Places.Know("1002", other, noon)
	says("its phones that need the new password were last seen at 192.0.2.66, 198.51.100.10")
	longKnown := func(network string) {
		s.Places.RestoreNetwork(noon, places.Network{Account: "1002", Prefix: netip.MustParsePrefix(network), First: noon.Add(-90 * 24 * time.Hour), Last: noon})
	}
	longKnown("198.51.100.0/24")
	says("its phones that need the new password were last seen at 198.51.100.10")
	s.SetContacts(noon, []places.Contact{{Account: "1002", Source: home, Agent: "Yealink\r\nBcc: x" + strings.Repeat("y", 200)}}, nil)
	const shown = 80 // bytes of a User-Agent
	phone := `198.51.100.10 (User-Agent "Yealink\r\nBcc: x` + strings.Repeat("y", shown-15) + `")`
	says("its phones that need the new password were last seen at " + phone)
	longKnown("192.0.2.0/24")
	says("its phones that need the new password were last seen at 192.0.2.66, " + phone)
	s.Bans.Put(incident.Ban{Prefix: netip.PrefixFrom(other, 32), Since: noon, Until: noon.Add(time.Hour)})
	says("its phones that need the new password were last seen at " + phone)
	for i := range 10 {
		s.Places.Know("1002", netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", 20+i)), noon.Add(time.Duration(i)*time.Minute-20*time.Minute))
	}
	says("its phones that need the new password were last seen at 198.51.100.29, 198.51.100.28, 198.51.100.27, 198.51.100.26, 198.51.100.25 and 6 more")
}

func TestScores(t *testing.T) {
	s := newSite(t, guessing(10))
	s.hear(t, noon, failures("1002", thief, 7)+failures("1003", "203.0.113.9", 2))
	list := s.Scores(noon.Add(time.Second), score.PerSource, 10)
	if len(list) != 2 || list[0].Key.String() != thief || list[0].Share() != 0.7 || list[0].Ban != nil {
		t.Fatalf("%+v", list)
	}
	network := netip.MustParsePrefix("192.0.2.0/24")
	s.Bans.Put(incident.Ban{Prefix: network, Since: noon})
	s.Places.SetAllow([]netip.Prefix{netip.MustParsePrefix("203.0.113.9/32")})
	list = s.Scores(noon.Add(time.Second), score.PerSource, 10)
	if len(list) != 2 || list[0].Ban == nil || list[0].Ban.Prefix != network || list[1].Why != "on the allow list" {
		t.Errorf("%+v", list)
	}
	if n := len(s.Scores(noon.Add(time.Second), score.PerSource, 1)); n != 1 {
		t.Errorf("asked for one, got %d", n)
	}
	s.ClearScore(netip.MustParsePrefix(thief + "/32"))
	if list := s.Scores(noon.Add(time.Second), score.PerSource, 10); len(list) != 1 {
		t.Errorf("after it was cleared: %+v", list)
	}
}

func TestScoresOfAccounts(t *testing.T) {
	p := guessing(100)
	p.Thresholds = append(p.Thresholds, score.Threshold{Name: "account", Per: score.PerAccount, Points: p.Thresholds[0].Points, Score: 10, Within: time.Hour, Playbook: "block"})
	s := newSite(t, p)
	s.hear(t, noon, failures("1002", thief, 3)+over("TCP", of("AMI", failures("admin", thief, 2))))
	s.rings(noon, "PJSIP/1002-00000001", "1001")
	s.Contain.Locks.Restore("1002", "")
	s.Contain.Rotations.Set("1002", noon)
	list := s.Scores(noon.Add(time.Second), score.PerAccount, 10)
	if len(list) != 2 || list[0].Channels != 1 || list[0].Held != "locked" || list[0].Rotated != noon {
		t.Errorf("%+v", list)
	}
	s.SetContacts(noon, []places.Contact{{Account: "1001", Source: netip.MustParseAddr(office)}}, []calls.Channel{{Account: "1003"}, {Account: "1001"}, {}})
	if got := fmt.Sprint(s.Accounts(noon.Add(time.Second))); got != "[1001 1002 1003]" {
		t.Errorf("accounts %s", got)
	}
}

// Another policy is in force at once, and nothing that is known is lost.
func TestConfigure(t *testing.T) {
	s := newSite(t, guessing(10))
	s.hear(t, noon, failures("1002", thief, 4))
	p := guessing(5)
	p.Username = "somebody else" // which cannot change
	if err := s.Configure(p); err != nil || len(s.incidents) != 0 {
		t.Fatalf("%s, %v; want no verdict on what was before", s.verdicts(), err)
	}
	s.hear(t, noon.Add(time.Second), failures("1002", thief, 1))
	if got := s.effects(); got != "drop 192.0.2.66 sip #0; record password guessing 192.0.2.66" {
		t.Errorf("with one more: %q", got)
	}
	if e := s.incidents[0].Evidence; len(e) != 5 || e[0].Raw == "" {
		t.Errorf("evidence %+v", e)
	}
	bad := guessing(5)
	bad.Thresholds[0].Score = 0
	if err := s.Configure(bad); err == nil || !strings.HasPrefix(err.Error(), "thresholds: ") {
		t.Errorf("%v", err)
	}
	if _, err := judge.New(noon, bad, judge.Discard{}); err == nil {
		t.Error("a policy that cannot be is accepted")
	}
	if s.bans(noon.Add(2*time.Second)) == "" {
		t.Error("the bans are lost")
	}
}

// Every signal that a threshold may count is raised by some event or sign.
func TestRaises(t *testing.T) {
	for _, s := range score.Signals() {
		if got := judge.Raises(s); got != (s != score.ChallengeSent) {
			t.Errorf("%s is raised: %t", s, got)
		}
	}
}

func TestMeters(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, failures("1002", thief, 3)+over("TCP", failures("1003", "203.0.113.9", 1))+success("1002", office))
	m := s.Meters()
	if m.Events["ChallengeResponseFailed"] != 4 || m.Events["SuccessfulAuth"] != 1 || m.Events["Hangup"] != 0 {
		t.Errorf("events %v", m.Events)
	}
	if m.Observations["spoofable"] != 3 || m.Observations["proven"] != 2 || m.Verdicts["password guessing"] != 1 || len(m.Verdicts) != 4 {
		t.Errorf("observations %v, verdicts %v", m.Observations, m.Verdicts)
	}
	if m.Accounts == 0 || m.Counters != s.Counters() || len(m.Refused) != 4 {
		t.Errorf("%+v", m)
	}
}
