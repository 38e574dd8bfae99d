package settings

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/intake"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/responder/places"
)

// site is an office's PBX in virtual time, with a daemon on its defaults that
// hears all its events. What the daemon orders is recorded, not carried out.
type site struct {
	judge.Discard
	t         *testing.T
	judge     *judge.Judge
	parser    event.Parser
	incidents []incident.Incident
	now       time.Time
	serial    int
	accounts  []calls.Account
	contacts  []places.Contact
	calls     int
	sent      int // of them, sent on to a number outside
	ended     int // by the daemon, for no incident
}

// The office has one public address; people at home have theirs.
const officeAddress = "198.51.100.10"

func newSite(t *testing.T, now time.Time, settings string) *site {
	t.Helper()
	return newSiteWith(t, now, settings, true)
}

func newSiteWith(t *testing.T, now time.Time, settings string, noReceiver bool) *site {
	t.Helper()
	cfg, err := config.Parse("office.toml", []byte("[asterisk]\nusername = \"u\"\nsecret = \"s\"\n"+settings), config.Env{Signals: Signals(), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := Policy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	policy.NoReceiver = noReceiver
	s := &site{t: t, now: now}
	if s.judge, err = judge.New(now, policy, s); err != nil {
		t.Fatal(err)
	}
	s.accounts = append(s.accounts, calls.Account{Name: "carrier"}, calls.Account{Name: "anonymous"})
	for i := range 40 {
		account := fmt.Sprint(1001 + i)
		s.accounts = append(s.accounts, calls.Account{Name: account, Login: true, Sure: true})
		s.contacts = append(s.contacts, places.Contact{Account: account, Source: netip.MustParseAddr(s.at(account)), Agent: "Yealink SIP-T46S 66.86.0.15"})
	}
	s.judge.Calls.StreamStarted(now)
	s.resync()
	return s
}

// at is where the account's phone is: thirty in the office, ten at home.
func (s *site) at(account string) string {
	if account > "1030" {
		return "203.0.113." + account[2:]
	}
	return officeAddress
}

// Record keeps what was decided.
func (s *site) Record(i *incident.Incident) {
	i.ID = int64(len(s.incidents) + 1)
	s.incidents = append(s.incidents, i.Clone())
}

// EndCall counts a call that is ended for no incident.
func (s *site) EndCall(string) { s.ended++ }

// resync gives the judge Asterisk's picture, without channels.
func (s *site) resync() {
	s.judge.Calls.List(s.accounts)
	s.judge.Calls.BeginSnapshot()
	s.judge.Calls.ApplySnapshot(s.now, nil)
	s.judge.SetContacts(s.now, s.contacts, nil)
}

func (s *site) say(text string) {
	s.t.Helper()
	b, err := ami.NewReader(bytes.NewReader([]byte(strings.ReplaceAll(text, "\n", "\r\n")))).Next()
	if err != nil {
		s.t.Fatal(err)
	}
	var e event.Event
	if err := s.parser.Parse(b, &e); err != nil {
		s.t.Fatalf("%v: %s", err, text)
	}
	s.judge.Event(s.now, intake.SensorAMI, &e)
}

func (s *site) security(event, severity, account, session, source, extra string) {
	s.t.Helper()
	s.say(fmt.Sprintf(`Event: %s
Privilege: security,all
EventTV: %s
Severity: %s
Service: PJSIP
EventVersion: 1
AccountID: %s
SessionID: %s
LocalAddress: IPV4/UDP/192.0.2.1/5060
RemoteAddress: IPV4/UDP/%s/5060
%s

`, event, s.now.Format("2006-01-02T15:04:05.000-0700"), severity, account, session, source, extra))
}

// login is a request with the right password: a REGISTER, an INVITE.
func (s *site) login(account, source string) {
	s.serial++
	session := fmt.Sprintf("call-%d", s.serial)
	s.security("ChallengeSent", "Informational", account, session, source, "Challenge: ")
	s.security("SuccessfulAuth", "Informational", account, session, source, "UsingPassword: 1")
}

// fail is a request with a wrong one.
func (s *site) fail(account, source string) {
	s.serial++
	session := fmt.Sprintf("call-%d", s.serial)
	s.security("ChallengeSent", "Informational", account, session, source, "Challenge: ")
	s.security("ChallengeResponseFailed", "Error", account, session, source, "Challenge: 1/a\nResponse: b\nExpectedResponse: ")
}

func (s *site) channel(event, name string, state int, exten, extra string) {
	s.say(fmt.Sprintf(`Event: %s
Privilege: call,all
Channel: %s
ChannelState: %d
ChannelStateDesc: Ring
CallerIDNum: 1
CallerIDName: 1
ConnectedLineNum: <unknown>
ConnectedLineName: <unknown>
Language: en
AccountCode: 
Context: internal
Exten: %s
Priority: 1
Uniqueid: %[6]d.%[6]d
Linkedid: %[6]d.%[6]d
%[7]s
`, event, name, state, exten, "", s.serial, extra))
}

// call logs in and sets up a call; it returns what ends it.
func (s *site) call(account, number, source string) (hangUp func()) {
	s.login(account, source)
	to := "PJSIP/carrier"
	if len(number) == len(account) {
		to = "PJSIP/" + number
	}
	return s.ring("PJSIP/"+account, number, to)
}

// leg is one channel as events tell of it.
func leg(prefix, name, exten string, serial int) string {
	return strings.ReplaceAll(fmt.Sprintf(`_Channel: %s
_ChannelState: 6
_ChannelStateDesc: Up
_CallerIDNum: 1
_CallerIDName: 1
_ConnectedLineNum: <unknown>
_ConnectedLineName: <unknown>
_Language: en
_AccountCode: 
_Context: internal
_Exten: %s
_Priority: 1
_Uniqueid: %[3]d.%[3]d
_Linkedid: %[3]d.%[3]d
`, name, exten, serial), "_", prefix)
}

// dials is one channel that dials another one: for a number, if that is the carrier's.
func (s *site) dials(from, to, number string) {
	dialString, carrier := number, strings.HasPrefix(to, "PJSIP/carrier-")
	if !carrier {
		_, dialString, _ = strings.Cut(to, "/")
		dialString, _, _ = strings.Cut(dialString, "-")
	} else {
		dialString += "@carrier"
	}
	s.say("Event: DialBegin\nPrivilege: call,all\n" + leg("", from, "s", s.serial) + leg("Dest", to, "s", s.serial) + "DialString: " + dialString + "\n\n")
}

// sendOn is a caller whom the one called sends on: by a transfer of the call, or
// unanswered, by a diversion. What the caller is connected with then is the end.
func (s *site) sendOn(caller, called, number string, diverted bool) (hangUp func()) {
	s.sent++
	if diverted {
		s.say("Event: DialEnd\nPrivilege: call,all\n" + leg("", caller, "s", s.serial) + leg("Dest", called, "s", s.serial) + "Forward: " + number + "\nDialStatus: CANCEL\n\n")
	} else {
		s.say("Event: BlindTransfer\nPrivilege: call,all\nResult: Success\n" + leg("Transferer", called, "s", s.serial) + leg("Transferee", caller, "s", s.serial) +
			"IsExternal: Yes\nContext: internal\nExtension: " + number + "\n\n")
	}
	s.channel("Hangup", called, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n")
	s.serial++
	out := fmt.Sprintf("PJSIP/carrier-%08x", s.serial)
	s.channel("Newchannel", out, 0, "", "")
	s.dials(caller, out, number)
	return func() {
		s.channel("Hangup", out, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n")
		s.channel("Hangup", caller, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n")
	}
}

// sentOn is a call from outside that a colleague sends out again.
func (s *site) sentOn(account, number string, diverted bool) (hangUp func()) {
	s.calls++
	s.serial++
	in, out := fmt.Sprintf("PJSIP/carrier-%08x", s.serial), fmt.Sprintf("PJSIP/%s-%08x", account, s.serial+1)
	s.channel("Newchannel", in, 4, "+442079460000", "")
	s.serial++
	s.channel("Newchannel", out, 0, "", "")
	s.dials(in, out, account)
	return s.sendOn(in, out, number, diverted)
}

// ring is a call that comes in on one channel and goes out on another.
func (s *site) ring(from, number, to string) (hangUp func()) {
	s.calls++
	s.serial++
	in, out := fmt.Sprintf("%s-%08x", from, s.serial), fmt.Sprintf("%s-%08x", to, s.serial+1)
	s.channel("Newchannel", in, 4, number, "")
	s.serial++
	s.channel("Newchannel", out, 0, "", "")
	s.dials(in, out, number)
	s.channel("Newstate", out, 6, "", "")
	s.channel("Newstate", in, 6, number, "")
	return func() {
		s.channel("Hangup", out, 6, "", "Cause: 16\nCause-txt: Normal Clearing\n")
		s.channel("Hangup", in, 6, number, "Cause: 16\nCause-txt: Normal Clearing\n")
	}
}

// ordered are the steps that the daemon decided on and does not skip, by kind.
func (s *site) ordered() (steps map[string]int, stories []string) {
	s.t.Helper()
	steps = map[string]int{}
	for _, row := range s.incidents {
		for _, step := range row.Steps {
			if step.State != "skipped" {
				steps[string(step.Step)]++
			}
		}
		stories = append(stories, fmt.Sprintf("%s %s %s: %s", row.At.Format("02 15:04:05"), row.Threshold, row.Key.Value(), row.Reason))
	}
	return steps, stories
}

// appointment is something that happens at a time of the day.
type appointment struct {
	at time.Duration
	do func()
}

// day plays one working day, drawn by chance: n calls of forty phones with all
// that an office does. Phones register, and the daemon asks for their
// registrations, as often as every says.
func (s *site) day(r *rand.Rand, n int, every time.Duration) {
	morning := s.now
	var book []appointment
	at := func(d time.Duration, do func()) { book = append(book, appointment{d, do}) }
	talks := map[string][][2]time.Duration{}
	talking := func(account string, at time.Duration) (n int) {
		for _, talk := range talks[account] {
			if talk[0] <= at && at < talk[1] {
				n++
			}
		}
		return n
	}
	hold := func(d, length time.Duration, start func() func()) {
		var end func()
		at(d, func() { end = start() })
		at(d+length, func() { end() })
	}
	talk := func() time.Duration {
		return 2*time.Second + min(time.Duration(r.ExpFloat64()*float64(150*time.Second)), time.Hour)
	}
	begun := map[string][]time.Duration{}
	dial := func(d, length time.Duration, account, number string) {
		// Nobody has two hands on one phone.
		for slices.ContainsFunc(begun[account], func(other time.Duration) bool { return (d - other).Abs() < 3*time.Second }) {
			d += time.Second
		}
		begun[account] = append(begun[account], d)
		talks[account] = append(talks[account], [2]time.Duration{d, d + length})
		hold(d, length, func() func() { return s.call(account, number, s.at(account)) })
	}
	for _, a := range s.accounts[2:] {
		for d := time.Duration(r.Int64N(int64(every))); d < 11*time.Hour; d += every {
			at(d, func() { s.login(a.Name, s.at(a.Name)) })
		}
	}
	// A phone in a drawer has last year's password and goes on trying.
	for d := 30 * time.Second; d < 11*time.Hour; d += every / 5 {
		at(d, func() { s.fail("1012", officeAddress) })
	}
	for range 8 { // typing mistakes at a softphone: wrong, wrong, right
		d, account := time.Duration(r.Int64N(int64(10*time.Hour))), fmt.Sprint(1031+r.IntN(10))
		for i := range 1 + r.IntN(2) {
			at(d+time.Duration(i)*10*time.Second, func() { s.fail(account, s.at(account)) })
		}
		at(d+40*time.Second, func() { s.login(account, s.at(account)) })
	}
	foreign := []string{"0033142685300", "00498912345678", "0012125550123", "0035312345678", "0034912345678", "+4420794600", "0041442345678", "0061291234567", "00390612345678", "0031201234567"}
	for made := 0; made < n; {
		d := time.Duration(r.Int64N(int64(10 * time.Hour)))
		account := fmt.Sprint(1001 + min(int(r.ExpFloat64()*9), 39)) // some call much, some hardly ever
		if n := talking(account, d); n > 1 || n == 1 && r.IntN(10) > 0 {
			continue // one in ten keeps a caller waiting for another
		}
		national := fmt.Sprintf("0%d79460%03d", 20+r.IntN(3), r.IntN(1000))
		switch p := r.IntN(1000); {
		case p < 20: // from outside, and out again: transferred to a mobile, or diverted there
			hold(d, talk(), func() func() { return s.sentOn(account, fmt.Sprintf("0770090%04d", r.IntN(20)), p < 8) })
			made++
		case p < 350: // from outside, in
			hold(d, talk(), func() func() {
				return s.ring("PJSIP/carrier", fmt.Sprintf("+44207946%04d", r.IntN(40)), "PJSIP/"+account)
			})
			made++
		case p < 600:
			dial(d, talk(), account, fmt.Sprint(1001+r.IntN(40)))
			made++
		case p < 900:
			dial(d, talk(), account, national)
			made++
		case p < 960:
			dial(d, talk(), account, foreign[min(int(r.ExpFloat64()*2), len(foreign)-1)])
			made++
		case p < 970: // voicemail, a feature code
			dial(d, talk(), account, "*97")
			made++
		case p < 980: // engaged: again and again
			for i := range 4 {
				dial(d+time.Duration(i)*(8*time.Second), 3*time.Second, account, national)
			}
			made += 4
		case p < 985: // the outside line forgotten, or one too many
			dial(d, 3*time.Second, account, "9"+foreign[0])
			dial(d+12*time.Second, talk(), account, foreign[0])
			made += 2
		case p < 993: // a transfer: the second call beside the first
			dial(d, talk(), account, national)
			dial(d+15*time.Second, talk(), account, national[:len(national)-1]+"7")
			made += 2
		default: // a conference of four
			for i := range 3 {
				dial(d+time.Duration(i)*20*time.Second, talk(), account, fmt.Sprintf("0207946%04d", r.IntN(10000)))
			}
			made += 3
		}
	}
	for d := time.Duration(0); d < 11*time.Hour; d += every {
		at(d, s.resync)
	}
	slices.SortStableFunc(book, func(a, b appointment) int { return int(a.at - b.at) })
	for _, a := range book {
		s.now = morning.Add(a.at)
		a.do()
	}
	s.now = morning.Add(24 * time.Hour)
}

// A busy day disturbs nobody: neither the first one, when nothing is known yet,
// nor one weeks later, when everything unusual is told apart.
func TestQuietOffice(t *testing.T) {
	const seed = 20261118
	r := rand.New(rand.NewPCG(seed, 1))
	s := newSite(t, time.Date(2026, 11, 2, 7, 30, 0, 0, time.UTC), "")
	check := func(which string) {
		t.Helper()
		steps, stories := s.ordered()
		c := s.judge.Counters()
		t.Logf("%s (seed %d): %d accounts, %d calls (%d of them sent on to mobiles), %d events; signs about calls: %d; bans: %d, calls ended: %d, rotations: %d, registrations removed: %d",
			which, seed, len(s.accounts)-2, s.calls, s.sent, c.Events, c.Signs, len(s.judge.Bans.List(s.now)), s.ended+steps["hangup"]+steps["hangup-call"], steps["rotate"], steps["remove-registrations"])
		if len(steps) > 0 || s.ended > 0 || len(s.judge.Bans.List(s.now)) > 0 {
			t.Errorf("the office was disturbed: %v\n%s", steps, strings.Join(stories, "\n"))
		}
	}
	s.day(r, 3000, 5*time.Minute)
	check("the first day")
	if s.calls < 3000 {
		t.Errorf("%d calls, want 3000", s.calls)
	}
	for range 16 {
		s.day(r, 100, 2*time.Hour)
	}
	s.calls = 0
	s.day(r, 3000, 5*time.Minute)
	check("a day weeks later")
}

// A call centre at full speed loses no call: forty agents, each with a call after the other
// all morning.
func TestQuietCallCentre(t *testing.T) {
	const seed, agents = 20261130, 40
	r := rand.New(rand.NewPCG(seed, 1))
	s := newSite(t, time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC), gb+hours+"[[calls.group]]\nname = \"agents\"\naccounts = [\"10*\"]\nrate = 20\n")
	morning := s.now
	var book []appointment
	for i := range agents {
		account := fmt.Sprint(1001 + i)
		at := time.Duration(r.IntN(60)) * time.Second
		for at < 4*time.Hour {
			number := fmt.Sprintf("0%d79460%03d", 20+r.IntN(3), r.IntN(1000))
			talk := 5*time.Second + min(time.Duration(r.ExpFloat64()*float64(3*time.Minute)), 40*time.Minute)
			var end func()
			book = append(book, appointment{at, func() {
				if end = s.call(account, number, s.at(account)); r.IntN(8) == 0 {
					end()
					end = s.ring("PJSIP/carrier", "+442079460001", "PJSIP/"+account)
				}
			}}, appointment{at + talk, func() { end() }})
			at += talk + 4*time.Second + time.Duration(r.IntN(60))*time.Second
		}
	}
	slices.SortStableFunc(book, func(a, b appointment) int { return int(a.at - b.at) })
	for _, a := range book {
		s.now = morning.Add(a.at)
		a.do()
	}
	steps, stories := s.ordered()
	t.Logf("seed %d: %d agents, %d calls; calls ended: %d", seed, agents, s.calls, s.ended+steps["hangup"]+steps["hangup-call"])
	if len(steps) > 0 || s.ended > 0 {
		t.Errorf("%v\n%s", steps, strings.Join(stories, "\n"))
	}
}
