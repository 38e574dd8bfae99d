package judge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/contain"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/numbers"
	"github.com/tollwarden/tollwarden/responder/score"
)

// forbidding is a policy that ends a call to Cuba, and reports one at night.
func forbidding() judge.Policy {
	p := guessing(10)
	p.Calls = calls.Rules{
		Dialling: numbers.Dialling{Country: "GB", Internal: 4},
		Limits:   calls.Limits{Rate: 3, Destinations: calls.Destinations{Deny: []string{"CU"}}},
		Learn:    14 * 24 * time.Hour,
	}
	p.Thresholds = append(p.Thresholds,
		score.Threshold{Name: "forbidden", Per: score.PerAccount, Points: map[score.Signal]int{score.ForbiddenDestination: 1}, Score: 1, Within: time.Hour, Playbook: "end"},
		score.Threshold{Name: "fast", Per: score.PerAccount, Points: map[score.Signal]int{score.CallRate: 1}, Score: 1, Within: time.Hour, Playbook: "end"},
	)
	p.Playbooks["end"] = []incident.StepKind{incident.StepHangupCall, incident.StepBan}
	return p
}

const cuba = "005371234567"

// A call to a forbidden number is ended before anything is recorded.
func TestForbiddenDestination(t *testing.T) {
	s := newSite(t, forbidding())
	s.rings(noon, "PJSIP/1002-00000001", cuba)
	if got := s.effects(); got != "end PJSIP/1002-00000001; record forbidden 1002; call 005371234567 of incident [1] is up" {
		t.Errorf("%s", got)
	}
	i := s.incidents[0]
	if !strings.Contains(i.Reason, cuba) || i.Steps[1].State != incident.Skipped || i.Steps[1].Detail != "no address is known" {
		t.Errorf("%s: %+v", i.Reason, i.Steps)
	}
	s.rings(noon, "PJSIP/1003-00000002", "02079460001")
	s.rings(noon, "PJSIP/1003-00000003", "1001")
	if got := s.effects(); got != "" {
		t.Errorf("other calls: %s", got)
	}
}

// chan_sip says only with the channel's state that it is the phone that calls.
func TestForbiddenDestinationOfChanSIP(t *testing.T) {
	s := newSite(t, forbidding())
	channel := []byte("SIP/1002-00000001")
	s.sees(noon, event.Event{Kind: event.Newchannel, Channel: channel, Exten: []byte(cuba), ChannelState: event.StateDown})
	if got := s.effects(); got != "" {
		t.Errorf("before it calls: %s", got)
	}
	s.sees(noon, event.Event{Kind: event.Newstate, Channel: channel, Exten: []byte(cuba), ChannelState: event.StateRing})
	if got := s.effects(); !strings.HasPrefix(got, "end SIP/1002-00000001; record forbidden 1002") {
		t.Errorf("%s", got)
	}
	s.sees(noon, event.Event{Kind: event.Newstate, Channel: channel, Exten: []byte(cuba), ChannelState: event.StateRing})
	if got := s.effects(); got != "" {
		t.Errorf("the same again: %s", got)
	}
}

// A call that nobody has room to end is recorded so, by its incident's number.
func TestCallThatNobodyHasRoomToEnd(t *testing.T) {
	s := newSite(t, forbidding())
	s.noRoom = true
	s.rings(noon, "PJSIP/1002-00000001", cuba)
	if got := s.effects(); got != "record forbidden 1002; call 005371234567 of incident [1] is up" {
		t.Errorf("%s", got)
	}
	if step := s.incidents[0].Steps[0]; step.State != incident.Failed || s.incidents[0].ID != 1 {
		t.Errorf("%+v", step)
	}
}

// A lock stands in mode observe, too: a person ordered it, or it was there before.
func TestCallOfALockedAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		was     string
		observe bool
		want    string
	}{
		"Asterisk could not be reached": {"", false, "end PJSIP/1002-00000001"},
		"locked in part":                {"PJSIP=internal in-part", false, "end PJSIP/1002-00000001"},
		"Asterisk locks it itself":      {"PJSIP=internal", false, ""},
		"in mode observe":               {"", true, "end PJSIP/1002-00000001"},
	} {
		p := guessing(3)
		p.Observe = tc.observe
		s := newSite(t, p)
		s.Contain.Locks.Restore("1002", tc.was)
		s.rings(noon, "PJSIP/1002-00000001", "02079460001")
		s.rings(noon, "PJSIP/1003-00000001", "02079460001")
		if got := s.effects(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// A break-in is contained once, and betrays the place it came from.
func TestBreakInIsContainedOnce(t *testing.T) {
	s := newSite(t, guessing(10))
	s.hear(t, noon, success("1002", office))
	s.hear(t, noon, breakIn("1002"))
	if got := s.effects(); got != "drop 192.0.2.66 all #1; record break-in 1002" {
		t.Errorf("%s", got)
	}
	i := s.incidents[0]
	if len(i.Evidence) != 5 || i.Evidence[4].Signal != score.SuccessAfterFailures || i.Evidence[0].Signal != score.ChallengeResponseFailed {
		t.Errorf("evidence %+v; want the four failures and the success", i.Evidence)
	}
	if why := s.Places.Why(netip.MustParsePrefix(office + "/32")); why != "" {
		t.Errorf("the account still protects: %s", why)
	}
	s.hear(t, noon.Add(time.Second), success("1002", thief))
	if len(s.incidents) != 1 {
		t.Errorf("%s", s.verdicts())
	}
}

// The calls of a break-in: those of before that ended or are up, and each new one
// while it is being contained, which is ended. Calls to an account, those of
// others, and those long after are none of it.
func TestCallsOfABreakIn(t *testing.T) {
	s := newSite(t, guessing(10))
	early := noon.Add(-time.Minute)
	s.rings(early, "PJSIP/1002-000000f0", "0044123")
	s.sees(early.Add(9*time.Second), event.Event{Kind: event.Newstate, Channel: []byte("PJSIP/1002-000000f0"), ChannelState: event.StateUp})
	s.hangsUp(early.Add(30*time.Second), "PJSIP/1002-000000f0")
	s.rings(early, "PJSIP/1002-000000f1", "s")
	s.rings(early, "PJSIP/1001-000000f2", "0044456")
	s.effects()
	s.hear(t, noon, breakIn("1002"))
	if got := s.effects(); got != "drop 192.0.2.66 all #1; record break-in 1002; call 0044123 of incident [1] took 30s" {
		t.Errorf("%s", got)
	}
	now := noon.Add(time.Second)
	s.rings(now, "PJSIP/1002-000000f3", "00881234567")
	s.hangsUp(now.Add(2*time.Second), "PJSIP/1002-000000f3")
	if got := s.effects(); got != "call 00881234567 of incident [1] is up; sweep 1002; call 00881234567 of incident [1] took 2s" {
		t.Errorf("%s", got)
	}
	s.sees(now, event.Event{Kind: event.Newchannel, Channel: []byte("PJSIP/1002-000000f4"), ChannelState: event.StateDown})
	if got := s.effects(); got != "sweep 1002" {
		t.Errorf("a call to it: %s", got)
	}
	s.Contain.Sessions.Finish(now, "1002")
	late := now.Add(time.Hour)
	s.Prune(late)
	s.effects()
	s.rings(late, "PJSIP/1002-000000f5", "0044")
	if got := s.effects(); got != "" {
		t.Errorf("long after: %s", got)
	}
}

// What is unusual about the calls of an account that is being contained is no
// incident of its own: they are all being ended.
func TestCallsBeingEndedAreNotScored(t *testing.T) {
	s := newSite(t, forbidding())
	s.Contain.Sessions.Begin("1002", 1)
	s.rings(noon, "PJSIP/1002-00000001", cuba)
	if got := s.effects(); len(s.incidents) != 0 || got != "call 005371234567 of incident [1] is up; sweep 1002" || s.Counters().Suppressed != 1 {
		t.Errorf("%s, %d suppressed", got, s.Counters().Suppressed)
	}
}

// A call that goes on without the account that set it up goes down with it.
func TestTransferredCall(t *testing.T) {
	s := newSite(t, guessing(10))
	s.rings(noon, "PJSIP/1002-00000001", "00442079460001")
	s.sees(noon, event.Event{Kind: event.Newchannel, Channel: []byte("PJSIP/carrier-00000002"), ChannelState: event.StateDown})
	s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/1002-00000001"), DestChannel: []byte("PJSIP/carrier-00000002")})
	s.effects()
	s.Contain.Sessions.Begin("1002", 1)
	transfer := event.Event{
		Kind: event.BlindTransfer, Result: []byte("Success"), Channel: []byte("PJSIP/1002-00000001"),
		DestChannel: []byte("PJSIP/carrier-00000002"), Exten: []byte("00881612345678"),
	}
	failed := transfer
	failed.Result = []byte("Fail")
	s.sees(noon, failed)
	if got := s.effects(); got != "" {
		t.Errorf("a transfer that failed: %s", got)
	}
	s.sees(noon, transfer)
	s.hangsUp(noon, "PJSIP/1002-00000001")
	s.effects()
	s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/carrier-00000002"), DestChannel: []byte("DAHDI/i1/00881612345678-1")})
	if got := s.effects(); got != "sweep 1002" {
		t.Errorf("its next leg: %q", got)
	}
	if strays := s.Calls.Strays("1002"); len(strays) != 2 {
		t.Errorf("strays %v", strays)
	}
}

// What an account sends somebody on to is its call, too.
func TestForwardedToAForbiddenNumber(t *testing.T) {
	s := newSite(t, forbidding())
	s.rings(noon, "PJSIP/carrier-00000001", "02079460001")
	s.sees(noon, event.Event{Kind: event.Newchannel, Channel: []byte("PJSIP/1002-00000002"), ChannelState: event.StateDown})
	s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/carrier-00000001"), DestChannel: []byte("PJSIP/1002-00000002")})
	s.sees(noon, event.Event{Kind: event.DialEnd, Channel: []byte("PJSIP/carrier-00000001"), DestChannel: []byte("PJSIP/1002-00000002"), Forward: []byte(cuba)})
	s.effects()
	s.sees(noon, event.Event{Kind: event.DialBegin, Channel: []byte("PJSIP/carrier-00000001"), DestChannel: []byte("Local/" + cuba + "@out-00000003;1")})
	if got := s.effects(); !strings.Contains(got, "record forbidden 1002") {
		t.Errorf("%q", got)
	}
}

// Where a call comes from is asked before it is scored; a call that must end at
// once is ended first. What nobody knows counts for the account alone.
func TestWhereACallComesFrom(t *testing.T) {
	for name, tc := range map[string]struct {
		from string
		want string
	}{
		"somewhere": {thief + ":5060", "drop 192.0.2.66 sip #0; record fast 1002"},
		"nowhere":   {"", "record fast 1002"},
	} {
		p := forbidding()
		p.Playbooks["end"] = []incident.StepKind{incident.StepBan}
		s := newSite(t, p)
		s.asks = true
		for n := range 3 {
			s.rings(noon.Add(time.Duration(n)*time.Second), fmt.Sprintf("PJSIP/1002-0000000%d", n), "02079460001")
		}
		if len(s.asked) != 1 || len(s.incidents) != 0 || !strings.HasSuffix(s.effects(), "where does PJSIP/1002-00000002 come from; with what does PJSIP/1002-00000002 call") &&
			len(s.asked) != 1 {
			t.Fatalf("%s: asked %v, %s", name, s.asked, s.verdicts())
		}
		var from netip.AddrPort
		if tc.from != "" {
			from = netip.MustParseAddrPort(tc.from)
		}
		s.effects()
		s.Located(noon.Add(3*time.Second), s.asked[0], from, nil)
		if got := s.effects(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		s.Contain.Sessions.Begin("1002", 1)
		s.Located(noon.Add(4*time.Second), s.asked[0], from, nil)
		if s.effects() != "" || s.Counters().Suppressed == 0 {
			t.Errorf("%s: the call is being ended, and scored", name)
		}
	}
	s := newSite(t, forbidding())
	s.asks = true
	s.rings(noon, "PJSIP/1002-00000001", cuba)
	if got := s.effects(); !strings.Contains(got, "end PJSIP/1002-00000001; record forbidden 1002") {
		t.Errorf("a forbidden call waits for an answer: %s", got)
	}
}

// A scanner's User-Agent is heard of after it was asked for.
func TestUserAgentOfACall(t *testing.T) {
	p := forbidding()
	p.Thresholds = append(p.Thresholds, score.Threshold{Name: "scanner", Per: score.PerAccount, Points: map[score.Signal]int{score.ScannerAgent: 1}, Score: 1, Within: time.Hour, Playbook: "end"})
	s := newSite(t, p)
	s.asks = true
	s.rings(noon, "PJSIP/1002-00000001", "02079460001")
	if got := s.effects(); got != "with what does PJSIP/1002-00000001 call" {
		t.Errorf("%s", got)
	}
	c, _ := s.Calls.Channel("PJSIP/1002-00000001")
	s.asks = false
	s.UserAgent(noon, c, "Snom/1.2", nil)
	if got := s.effects(); got != "" {
		t.Errorf("a phone: %s", got)
	}
	s.UserAgent(noon, c, "friendly-scanner", nil)
	if got := s.effects(); !strings.HasPrefix(got, "end PJSIP/1002-00000001; record scanner 1002") {
		t.Errorf("a scanner: %q", got)
	}
}

// The rightful owner's phone fails with the password we changed; at home that is
// forgiven, from anywhere else it is a guess.
func TestGraceAfterARotation(t *testing.T) {
	s := newSite(t, guessing(3))
	s.hear(t, noon, success("1002", office)+breakIn("1002"))
	s.PasswordChanged(noon.Add(time.Second), "1002")
	later := noon.Add(time.Minute)
	s.hear(t, later, failures("1002", office, 20)+failures("1002", "203.0.113.9", 3))
	if got := s.bans(later.Add(3 * time.Second)); strings.Contains(got, office) || !strings.Contains(got, "203.0.113.9/32") {
		t.Errorf("%s; want the guesser and not the owner", got)
	}
	if s.Counters().GracePeriod != 20 {
		t.Errorf("%d failures forgiven, want 20", s.Counters().GracePeriod)
	}
}

// An account that is guessed at from everywhere is restricted to where its own
// users are; its refusals are nobody's offence then.
func TestAccountUnderAttack(t *testing.T) {
	p := guessing(1000)
	p.Restrict = contain.RestrictRule{Networks: 3, Quiet: time.Hour}
	p.Calls.Learn = time.Hour
	p.Thresholds = append(p.Thresholds, score.Threshold{
		Name: "account under attack", Per: score.PerAccount, Points: p.Thresholds[0].Points, Score: 10, Within: 24 * time.Hour, Playbook: "shelter",
	})
	p.Playbooks["shelter"] = []incident.StepKind{incident.StepRestrict}
	attack := func(networks, n int) string {
		var b strings.Builder
		for i := range networks * n {
			b.WriteString(failure("1002", fmt.Sprintf("203.0.%d.66", i%networks), i))
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		events, want string
	}{
		"proven, from everywhere":      {over("TCP", attack(5, 2)), "intended: "},
		"spoofed packets":              {attack(5, 2), "skipped: only 0 unknown networks guessed from confirmed addresses; 3 are needed, and the rest may be spoofed"},
		"proven, from two networks":    {over("TCP", attack(2, 5)), "skipped: only 2 unknown networks guessed from confirmed addresses; 3 are needed, and the rest may be spoofed"},
		"spoofed, and one who is real": {attack(9, 1) + over("TCP", attack(1, 1)), "skipped: only 1 unknown network guessed from confirmed addresses; 3 are needed, and the rest may be spoofed"},
		"nobody knows the account":     {strings.ReplaceAll(over("TCP", attack(5, 2)), "1002", "1009"), "skipped: no network has been known for it long enough"},
	} {
		s := newSite(t, p)
		s.registered(noon, "1002")
		s.hear(t, noon, c.events)
		if len(s.incidents) != 1 {
			t.Fatalf("%s: %s", name, s.verdicts())
		}
		step := s.incidents[0].Steps[0]
		if got := string(step.State) + ": " + step.Detail; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if step.State == incident.Intended && incident.PrefixesText(step.Networks) != "198.51.100.0/24" {
			t.Errorf("%s: to %v", name, step.Networks)
		}
	}
	s := newSite(t, p)
	s.Contain.Restrictions.Restore(noon, "1002", []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, noon)
	s.hear(t, noon, over("TCP", attack(5, 2)))
	if len(s.incidents) != 0 || s.Counters().Observations != 0 {
		t.Errorf("refusals of a restriction are scored: %+v", s.Counters())
	}
}

// A daemon is started in the middle of an attack: the guesses are there before
// Asterisk has said who is registered. The owner is at home all the same; who
// guessed is not at home.
func TestStartUnderAttack(t *testing.T) {
	guesses := failures("1002", "203.0.1.66", 3) + failures("1002", "203.0.2.66", 3)
	for name, c := range map[string]struct{ before, want string }{
		"others guess":                     {guesses, ""},
		"who is registered guessed, too":   {guesses + failure("1002", office, 1), "new place 1002"},
		"who is registered guessed itself": {over("TCP", failures("1002", office, 4)), "break-in 1002"},
		"somebody has got in meanwhile":    {guesses + success("1002", "203.0.113.9"), "new place 1002"},
	} {
		p := guessing(1000)
		p.Playbooks["compromise"] = []incident.StepKind{incident.StepBan} // a new password would forgive all
		s := newSite(t, p)
		s.hear(t, noon, c.before)
		s.registered(noon.Add(2*time.Second), "1002")
		s.hear(t, noon.Add(3*time.Second), success("1002", office))
		if got := s.verdicts(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
