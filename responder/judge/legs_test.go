package judge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/score"
)

// outgoing is a policy for calls that leave the site: a forbidden one is ended, and too many
// that cost end those of their origin.
func outgoing() judge.Policy {
	p := forbidding()
	p.Calls.Limits = calls.Limits{Rate: 3, Concurrent: 5, Destinations: calls.Destinations{Deny: []string{"satellite", "118"}}}
	p.Thresholds = append(p.Thresholds,
		score.Threshold{Name: "forbidden", Per: score.PerOrigin, Points: map[score.Signal]int{score.ForbiddenDestination: 1}, Score: 1, Within: time.Minute, Playbook: "end"},
		score.Threshold{Name: "many", Per: score.PerOrigin, Points: map[score.Signal]int{score.CallRate: 1}, Score: 1, Within: time.Hour, Playbook: "costs"},
	)
	p.Playbooks["end"] = []incident.StepKind{incident.StepHangupCall}
	p.Playbooks["costs"] = []incident.StepKind{incident.StepLimitCosts}
	return p
}

// pbx is the lab's PBX: extensions 1006 to 1008 forward their calls, carrier is its trunk.
func pbx(t *testing.T, p judge.Policy) *site {
	s := newSite(t, p)
	var list []calls.Account
	for _, name := range []string{"1001", "1002", "1003", "1006", "1007", "1008"} {
		list = append(list, calls.Account{Name: name, Login: true})
	}
	s.Calls.List(append(list, calls.Account{Name: "carrier"}))
	return s
}

// What a real Asterisk reports of every way to make it dial a satellite number: the leg to
// the trunk is ended, and whoever caused it is named.
func TestLegsToASatelliteNumber(t *testing.T) {
	for _, tc := range []struct{ play, cause, ended string }{
		{"22/rewritten", "1002", "PJSIP/carrier-00000003"},
		{"22/did-forward-local", "1006", "PJSIP/carrier-00000008"},
		{"22/did-forward-by-goto", "1007", "PJSIP/carrier-0000000a"},
		{"22/phone-forward-local", "1006", "PJSIP/carrier-0000000c"},
		{"22/followme", "1008", "PJSIP/carrier-00000003"},
		{"22/disa", "trunk/carrier", "PJSIP/carrier-00000013"},
		{"22/originate-trunk", "pbx/itself", "PJSIP/carrier-00000014"},
		{"22/originate-local", "pbx/itself", "PJSIP/carrier-00000015"},
		{"22/originate-phone", "1003", "PJSIP/carrier-00000017"},
		{"22/originate-local-phone", "1003", "PJSIP/carrier-00000019"},
		{"22/originate-context", "pbx/itself", "PJSIP/carrier-0000001a"},
		{"22/channel-originate", "pbx/itself", ""},
		{"22/callfile", "pbx/itself", ""},
		{"22/originate-in-dialplan", "pbx/itself", ""},
		{"22/conference-out", "pbx/itself", "PJSIP/carrier-00000023"},
		{"22/dial-uri", "pbx/itself", "PJSIP/1003-0000002e"},
		{"22/blind-transfer", "1002", ""},
		{"22/forward-by-phone", "1002", ""},
		{"22/ring-group", "trunk/carrier", ""},
		{"22/queue-satellite", "trunk/carrier", ""},
		{"22/page-satellite", "1003", ""},
		{"22/fork-satellite", "trunk/carrier", ""},
		{"22/failover", "1002", ""},
		{"22/pickup-transfer", "1003", ""},
		{"22/transfer-short-code", "1001", ""},
		{"22/attended-by-keys", "1002", ""},
		{"22/redirected", "trunk/carrier", ""},
		{"16/rewritten", "1002", ""},
		{"16/disa-keys", "trunk/carrier", ""},
		{"16/attended-by-keys", "1002", ""},
		{"16/transfer-short-code", "1001", ""},
		{"16/did-forward-local", "1006", ""},
		{"16/disa", "trunk/carrier", ""},
		{"16/originate-local", "pbx/itself", ""},
		{"16/conference-out", "pbx/itself", ""}, // the Local channel's other half dials before Asterisk says who dialled it
		{"16/callfile", "pbx/itself", ""},
		{"16/dial-uri", "pbx/itself", "SIP/203.0.113.200-0000002e"},
		{"16/blind-transfer", "1002", ""},
		{"16/forward-by-phone", "1002", ""},
	} {
		t.Run(tc.play, func(t *testing.T) {
			s := pbx(t, outgoing())
			s.hear(t, noon, recorded(t, tc.play))
			if got, want := s.verdicts(), "forbidden "+tc.cause; got != want {
				t.Fatalf("incidents %q, want %q", got, want)
			}
			if got := s.effects(); !strings.Contains(got, "end "+tc.ended) {
				t.Errorf("%s, want the end of %s", got, tc.ended)
			}
			for leg := range s.Calls.Legs() {
				t.Errorf("%s is up for ever", leg.Channel)
			}
		})
	}
}

// Calls within the country are left alone, and each counts once, through however many
// channels it leaves.
func TestLegsWithinTheCountry(t *testing.T) {
	for _, play := range []string{"phone", "fork", "queue", "page", "attended-transfer"} {
		t.Run(play, func(t *testing.T) {
			p := outgoing()
			p.Calls.Limits.Rate = 2
			s := pbx(t, p)
			s.hear(t, noon, recorded(t, "22/"+play))
			if s.verdicts() != "" || s.effects() != "" {
				t.Errorf("incidents %q", s.verdicts())
			}
		})
	}
}

func recorded(t *testing.T, play string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "legs", play+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ended says whether a channel was ended, by what the recorder wrote down.
func ended(log string) bool { return strings.Contains("; "+log, "; end ") }

// sends has a channel dial another one; by may be empty.
func (s *site) sends(at time.Time, by, exten, channel, dialString string) {
	s.sees(at, event.Event{
		Kind: event.DialBegin, Channel: []byte(by), Exten: []byte(exten), DestChannel: []byte(channel), DialString: []byte(dialString),
	})
}

// What leaves the site is told by the dial string and the channel, in every technology.
func TestWhatLeavesTheSite(t *testing.T) {
	const n = "00881612345678"
	for _, tc := range []struct {
		name, channel, dialString, want string
	}{
		{"a trunk", "PJSIP/carrier-00000001", n + "@carrier", "forbidden pbx/itself"},
		{"a trunk by URI", "PJSIP/carrier-00000001", "carrier/sip:+881612345678@sip.example.org:5060;user=phone", "forbidden pbx/itself"},
		{"a member of a queue", "SIP/carrier-00000001", "SIP/carrier/" + n, "forbidden pbx/itself"},
		{"a host that is no peer", "SIP/203.0.113.9-00000001", n + "@203.0.113.9", "forbidden pbx/itself"},
		{"IAX2", "IAX2/branch-1234", "user:pass@branch/" + n + "@out", "forbidden pbx/itself"},
		{"a line", "DAHDI/i1/" + n + "-1", "g0/" + n, "forbidden pbx/itself"},
		{"a line, after the dial tone", "DAHDI/1-1", "g0/ww" + n, "forbidden pbx/itself"},
		{"a GSM gateway", "Dongle/dongle0-0100000000", "dongle0/+881612345678", "forbidden pbx/itself"},
		{"H.323", "OOH323/gw-1", n + "@gw", "forbidden pbx/itself"},
		{"a gateway that logs in like a phone", "PJSIP/1003-00000001", n + "@1003", "forbidden pbx/itself"},
		{"a short number that is denied", "PJSIP/carrier-00000001", "118118@carrier", "forbidden pbx/itself"},
		{"a short number that is not", "PJSIP/carrier-00000001", "101@carrier", ""},
		{"a phone", "PJSIP/1003-00000001", "1003", ""},
		{"a phone by its contact", "PJSIP/1003-00000001", "1003/sip:1003@198.51.100.10:5060", ""},
		{"a phone whose contact is a number", "PJSIP/1003-00000001", "1003/sip:" + n + "@198.51.100.10:5060", ""},
		{"an analogue phone", "DAHDI/3-1", "3", ""},
		{"an extension", "Local/1003@internal-00000001;1", "1003@internal/n", ""},
		{"an outside number in the dialplan", "Local/" + n + "@internal-00000001;1", n + "@internal/n", ""}, // which may not lead out
		{"a domestic number", "PJSIP/carrier-00000001", "02079460001@carrier", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := pbx(t, outgoing())
			s.registered(noon, "1003")
			s.sends(noon, "", "", tc.channel, tc.dialString)
			if got := s.verdicts(); got != tc.want {
				t.Errorf("incidents %q, want %q", got, tc.want)
			}
		})
	}
}

// A dialplan that tries another trunk when the leg has ended has that ended, too, and the
// call counts once.
func TestFurtherTrunks(t *testing.T) {
	s := pbx(t, outgoing())
	s.rings(noon, "PJSIP/1002-00000001", "77881612345678")
	for i := range 3 {
		channel := fmt.Sprintf("PJSIP/carrier-0000000%d", 2+i)
		s.sends(noon, "PJSIP/1002-00000001", "77881612345678", channel, "00881612345678@carrier")
		if got := s.effects(); !strings.Contains(got, "end "+channel) {
			t.Errorf("trunk %d: %s", i+1, got)
		}
		s.hangsUp(noon, channel)
		s.effects()
	}
	if got := s.verdicts(); got != "forbidden 1002" || s.Counters().Signs != 1 {
		t.Errorf("%s, %d signs", got, s.Counters().Signs)
	}
}

// In mode observe, and during a pause, nothing is ended.
func TestObservedLegs(t *testing.T) {
	p := outgoing()
	p.Observe = true
	s := pbx(t, p)
	for i := range 9 {
		s.sends(noon, "", "", fmt.Sprintf("PJSIP/carrier-0000000%d", i), fmt.Sprintf("00371600000%02d@carrier", i))
		s.sends(noon, "", "", fmt.Sprintf("PJSIP/carrier-0000001%d", i), "00881612345678@carrier")
	}
	if got := s.effects(); ended(got) {
		t.Error(got)
	}
}

// Too many calls abroad that no phone sets up end: those that are up, and new ones for a
// day. Calls within the country go on, and so do those that phones set up.
func TestTollFraudOfThePBX(t *testing.T) {
	s := pbx(t, outgoing())
	abroad := func(at time.Time, i int) string {
		channel := fmt.Sprintf("PJSIP/carrier-%08x", i)
		s.sends(at, "", "", channel, fmt.Sprintf("0037160000%03d@carrier", i))
		return channel
	}
	var up []string
	for i := range 3 {
		up = append(up, abroad(noon, i))
	}
	s.sends(noon, "", "", "PJSIP/carrier-00001000", "02079460001@carrier")
	if got := s.verdicts(); got != "many pbx/itself" {
		t.Fatalf("incidents %q", got)
	}
	log := s.effects()
	for _, channel := range up {
		if !strings.Contains(log, "end "+channel) {
			t.Errorf("%s goes on: %s", channel, log)
		}
	}
	if strings.Contains(log, "00001000") {
		t.Errorf("a call within the country is ended: %s", log)
	}
	for name, tc := range map[string]struct {
		act  func()
		want bool
	}{
		"another one": {func() { abroad(noon.Add(time.Hour), 4) }, true},
		"within the country": {func() {
			s.sends(noon.Add(time.Hour), "", "", "PJSIP/carrier-00002000", "02079460002@carrier")
		}, false},
		"a phone's": {func() {
			s.rings(noon.Add(time.Hour), "PJSIP/1002-00000001", "0037160000001")
			s.sends(noon.Add(time.Hour), "PJSIP/1002-00000001", "0037160000001", "PJSIP/carrier-00003000", "0037160000001@carrier")
		}, false},
	} {
		s.effects()
		tc.act()
		if got := ended(s.effects()); got != tc.want {
			t.Errorf("%s is ended: %v", name, got)
		}
	}
	s.ForgetAttack(score.PBXItself)
	s.effects()
	if abroad(noon.Add(2*time.Hour), 5); ended(s.effects()) {
		t.Error("a call is ended although a person lets them through")
	}
}

// Countries that the PBX has called for a day, as by click-to-dial or fax, do not count.
func TestUsualCountriesOfThePBX(t *testing.T) {
	s := pbx(t, outgoing())
	for day := range 3 {
		at := noon.Add(time.Duration(day) * 24 * time.Hour)
		for i := range 1 + 9*min(day, 1) {
			s.sends(at, "", "", fmt.Sprintf("PJSIP/carrier-%08x", 100*day+i), fmt.Sprintf("0037160000%03d@carrier", i))
		}
	}
	if got := s.verdicts(); got != "" {
		t.Errorf("incidents %q", got)
	}
}

// The forwards of an account that is locked, or being contained, end.
func TestForwardsOfAContainedAccount(t *testing.T) {
	forward := func(s *site) string {
		s.rings(noon, "PJSIP/carrier-00000001", "1006")
		s.sends(noon, "PJSIP/carrier-00000001", "1006", "Local/02079460001@out-00000001;1", "02079460001@out")
		s.sends(noon, "Local/02079460001@out-00000001;2", "02079460001", "PJSIP/carrier-00000002", "02079460001@carrier")
		return s.effects()
	}
	s := pbx(t, outgoing())
	if got := forward(s); got != "" {
		t.Errorf("an ordinary forward: %s", got)
	}
	s = pbx(t, outgoing())
	s.Contain.Sessions.Begin("1006", 1)
	if got := forward(s); !strings.Contains(got, "sweep 1006") {
		t.Errorf("an account that is being contained: %q", got)
	}
	if strays := s.Calls.Strays("1006"); !slices.Contains(strays, "PJSIP/carrier-00000002") || slices.Contains(strays, "PJSIP/carrier-00000001") {
		t.Errorf("its calls: %v", strays)
	}
}

// The second half of a Local channel may dial before Asterisk says who dialled the first
// one. What is forbidden is ended all the same, and then it is known whose call it is.
func TestLocalChannelThatDialsAtOnce(t *testing.T) {
	s := pbx(t, outgoing())
	s.rings(noon, "PJSIP/carrier-00000001", "1006")
	s.sends(noon, "Local/00881612345678@out-00000001;2", "00881612345678", "PJSIP/carrier-00000002", "00881612345678@carrier")
	if got := s.effects(); !strings.Contains(got, "end PJSIP/carrier-00000002") {
		t.Errorf("the leg: %s", got)
	}
	s.sends(noon, "PJSIP/carrier-00000001", "1006", "Local/00881612345678@out-00000001;1", "00881612345678@out")
	if leg, _ := s.Calls.Leg("PJSIP/carrier-00000002"); leg.Cause != "1006" {
		t.Errorf("it is a call of %q", leg.Cause)
	}
}

// A caller whose number and whose trunk's numbers look like numbers abroad dials nothing
// abroad.
func TestCallersFromAbroad(t *testing.T) {
	s := pbx(t, outgoing())
	for i := range 20 {
		at := noon.Add(time.Duration(i) * time.Second)
		in, out := fmt.Sprintf("PJSIP/carrier-%08x", 2*i), fmt.Sprintf("PJSIP/carrier-%08x", 2*i+1)
		s.rings(at, in, "0037160000000") // our number there
		s.sends(at, in, "0037160000000", out, "02079460001@carrier")
	}
	if got := s.verdicts(); got != "" {
		t.Errorf("incidents %q", got)
	}
}

// A caller without an account gets no costly call through, however it is dialled.
func TestGuestsLegs(t *testing.T) {
	p := outgoing()
	p.Thresholds = append(p.Thresholds, score.Threshold{Name: "anonymous", Per: score.PerAccount, Points: map[score.Signal]int{score.AnonymousCall: 1}, Score: 1, Within: time.Minute, Playbook: "end"})
	for dialled, sent := range map[string]string{"0037160000000": "0037160000000", "77": "0037160000000", "09098790000": "09098790000"} {
		s := pbx(t, p)
		s.rings(noon, "SIP/example.org-00000001", dialled)
		s.sends(noon, "SIP/example.org-00000001", dialled, "SIP/carrier-00000002", sent+"@carrier")
		if got := s.verdicts(); got != "anonymous example.org" || s.Counters().Signs != 1 {
			t.Errorf("%s: %q, %d signs", dialled, got, s.Counters().Signs)
		}
	}
}

// A macro dials as "s": what the caller dialled at first names the extension that forwards.
func TestForwardByAMacro(t *testing.T) {
	s := pbx(t, outgoing())
	s.rings(noon, "PJSIP/1003-00000001", "1006")
	s.sends(noon, "PJSIP/1003-00000001", "s", "Local/00881612345678@out-00000001;1", "00881612345678@out")
	s.sends(noon, "Local/00881612345678@out-00000001;2", "00881612345678", "PJSIP/carrier-00000002", "00881612345678@carrier")
	if got := s.verdicts(); got != "forbidden 1006" {
		t.Errorf("incidents %q", got)
	}
}

// A queue or ring group rings its members through Local channels. A member whose phone is
// forwarded causes the call that leaves, also where the dialplan goes on at "s".
func TestMembersThatForward(t *testing.T) {
	const caller, leg, n = "PJSIP/carrier-00000001", "PJSIP/carrier-00000009", "00881612345678"
	for name, tc := range map[string]struct{ member, exten, want string }{
		"a member":                      {"Local/1006@internal-00000001", "1006", "forbidden 1006"},
		"a member, and macros":          {"Local/1006@from-queue-00000001", "s", "forbidden 1006"},
		"a member outside":              {"Local/" + n + "@internal-00000001", n, "forbidden trunk/carrier"},
		"a number that is no extension": {"Local/601@internal-00000001", "s", "forbidden trunk/carrier"},
	} {
		s := pbx(t, outgoing())
		s.sees(noon, event.Event{Kind: event.Newchannel, Channel: []byte(caller), Exten: []byte("600"), ChannelState: event.StateRing})
		s.sends(noon, caller, "600", tc.member+";1", strings.TrimPrefix(tc.member, "Local/"))
		s.sends(noon, tc.member+";2", tc.exten, leg, n+"@carrier")
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// Forwards and calls of the PBX itself that were up at the start are judged by how many there
// are, too; few, or calls within the country, are left alone.
func TestLegsAlreadyUpAtOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		number string
		n      int
		want   string
	}{
		"a program's twenty":        {"00372500100%02d", 20, "many pbx/itself"},
		"few":                       {"00372500100%02d", 5, ""},
		"within the country":        {"020794601%02d", 20, ""},
		"one to a satellite number": {"008816123456%02d", 1, "forbidden pbx/itself"},
	} {
		p := outgoing()
		p.Thresholds[len(p.Thresholds)-1].Points[score.ConcurrentCalls] = 1
		s := pbx(t, p)
		var up []calls.Channel
		for i := range tc.n {
			number, id := fmt.Sprintf(tc.number, i), fmt.Sprint(i)
			name := fmt.Sprintf("Local/%s@internal-%08x;", number, i)
			at := noon.Add(-10 * time.Minute)
			up = append(up,
				calls.Channel{Name: name + "1", Linkedid: id, Dialled: number, Since: at, Answered: at},
				calls.Channel{Name: name + "2", Linkedid: id, Dialled: number, Data: "PJSIP/" + number + "@carrier,30", Since: at, Answered: at},
				calls.Channel{Name: fmt.Sprintf("PJSIP/carrier-%08x", i), Account: "carrier", Linkedid: id, Called: true, CallerID: number, Since: at, Answered: at},
			)
		}
		s.Calls.BeginSnapshot()
		s.Calls.ApplySnapshot(noon, up)
		s.JudgeLegsAlreadyUp(noon, s.Calls.Standing(noon, up))
		if got := s.verdicts(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
		if ends := strings.Count(s.effects(), "end PJSIP/carrier-"); (ends > 0) != (tc.want != "") || tc.n > 5 && tc.want != "" && ends < tc.n {
			t.Errorf("%s: %d legs ended", name, ends)
		}
	}
}

// A call of the PBX in which a phone takes part is that phone's: the caller's number names
// it, or there is no other one. Of two phones, neither is blamed by chance.
func TestWhoHasThePBXDial(t *testing.T) {
	for _, tc := range []struct {
		name, callerID, linkedid string
		phones                   []string
		want                     string
	}{
		{"the only phone", "442079460000", "1.1", []string{"1002"}, "1002"},
		{"its number", "1003", "1.1", []string{"1002", "1003"}, "1003"},
		{"two phones", "442079460000", "1.1", []string{"1002", "1003"}, "pbx/itself"},
		{"a phone in another call", "1002", "1.2", []string{"1002"}, "pbx/itself"},
		{"no phone", "1002", "1.1", nil, "pbx/itself"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := pbx(t, outgoing())
			for _, account := range tc.phones {
				s.sees(noon, event.Event{
					Kind: event.Newchannel, Channel: []byte("PJSIP/" + account + "-00000001"), ChannelState: event.StateRing,
					Exten: []byte("1001"), Linkedid: []byte("1.1"),
				})
			}
			s.sees(noon, event.Event{
				Kind: event.DialBegin, Channel: []byte("Local/77@internal-00000001;2"), Exten: []byte("77"), CallerIDNum: []byte(tc.callerID), Linkedid: []byte(tc.linkedid),
				DestChannel: []byte("PJSIP/carrier-00000002"), DialString: []byte("00881612345678@carrier"),
			})
			if got := s.verdicts(); got != "forbidden "+tc.want {
				t.Errorf("incidents %q", got)
			}
		})
	}
}
