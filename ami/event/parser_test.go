package event_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/event"
)

// block returns a block as Asterisk sends it: the lines and an empty line.
func block(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// outcome is the result of parsing one block.
type outcome struct {
	first  string // "Event: SuccessfulAuth"
	event  event.Event
	err    error
	source string // TrueSource
}

// parseStream parses a stream as the daemon does. The events point into the
// Reader's buffer, which is large enough not to move.
func parseStream(t testing.TB, stream string) (all []outcome) {
	t.Helper()
	r := ami.NewReader(strings.NewReader(stream))
	p := new(event.Parser)
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var o outcome
		if len(b.Headers) > 0 {
			o.first = string(b.Headers[0].Name) + ": " + string(b.Headers[0].Value)
		}
		o.err = p.Parse(b, &o.event)
		if errors.Is(o.err, event.ErrTampered) {
			if a, tr, ok := p.TrueSource(); ok {
				o.source = tr.String() + " " + a.String()
			}
		}
		all = append(all, o)
	}
}

// one parses a stream of one block.
func one(t testing.TB, stream string) outcome {
	t.Helper()
	all := parseStream(t, stream)
	if len(all) != 1 {
		t.Fatalf("%d blocks in %q", len(all), stream)
	}
	return all[0]
}

// TestFraudCaptures parses captures of two real Asterisks during a break-in.
func TestFraudCaptures(t *testing.T) {
	for _, c := range []struct {
		file  string
		kinds map[event.Kind]int
	}{
		{"fraud-asterisk22-pjsip.txt", map[event.Kind]int{
			event.ChallengeSent: 11, event.ChallengeResponseFailed: 5, event.SuccessfulAuth: 7, event.Newchannel: 5, event.Newstate: 5,
		}},
		{"fraud-asterisk16-chansip.txt", map[event.Kind]int{
			event.ChallengeSent: 16, event.InvalidPassword: 5, event.SuccessfulAuth: 7, event.Newchannel: 5, event.Newstate: 10,
		}},
	} {
		got := map[event.Kind]int{}
		all := parseStream(t, string(recorded(t, c.file)))
		for i, o := range all {
			switch {
			case o.err == nil:
				got[o.event.Kind]++
				if "Event: "+o.event.Kind.String() != o.first {
					t.Errorf("%s: %q is read as %v", c.file, o.first, o.event.Kind)
				}
				if o.event.Kind.Security() && !o.event.Remote.IsValid() {
					t.Errorf("%s: block %d has no source", c.file, i)
				}
			case !errors.Is(o.err, event.ErrUnknown):
				t.Errorf("%s: block %d (%s): %v", c.file, i, o.first, o.err)
			}
		}
		for _, k := range event.Kinds() {
			if got[k] != c.kinds[k] {
				t.Errorf("%s: %d %v, want %d", c.file, got[k], k, c.kinds[k])
			}
		}
	}
}

func TestInjectionCapture(t *testing.T) {
	all := parseStream(t, string(recorded(t, "injection-asterisk22.txt")))
	victim := netip.MustParseAddr("8.8.8.8")
	var sources []string
	reasons := map[event.Tampering]int{}
	for _, o := range all {
		var reason event.Tampering
		if errors.As(o.err, &reason) {
			reasons[reason]++
		}
		if o.err == nil && (o.event.Remote.Addr() == victim ||
			o.event.Kind == event.SuccessfulAuth && string(o.event.Service) != "AMI" || o.event.Kind == event.InvalidAccountID) {
			t.Errorf("accepted: %v from %v", o.event.Kind, o.event.Remote)
		}
		if o.source != "" {
			sources = append(sources, o.source)
		}
	}
	if want := "UDP 192.0.2.66:43412"; len(sources) != 2 || sources[0] != want || sources[1] != want {
		t.Errorf("sources of the tampering: %q, want %s twice", sources, want)
	}
	if want := map[event.Tampering]int{event.TamperedMissing: 3, event.TamperedHeadless: 1}; !maps.Equal(reasons, want) {
		t.Errorf("rejected for %v, want %v", reasons, want)
	}
}

// TestChanSIPSourcesAreSpoofed documents what no schema can prevent: on Asterisk
// 16 with chan_sip, the sender can choose the source of every event.
func TestChanSIPSourcesAreSpoofed(t *testing.T) {
	all := parseStream(t, string(recorded(t, "forged-asterisk16-chansip.txt")))
	var accepted int
	for _, o := range all {
		if o.err != nil || string(o.event.Service) != "SIP" {
			continue
		}
		accepted++
		if o.event.Remote.Addr() == netip.MustParseAddr("192.0.2.66") {
			t.Errorf("%v names the true source, but all sources in the capture are spoofed", o.event.Kind)
		}
		if o.event.Proven() {
			t.Errorf("%v from %v over %v counts as proven", o.event.Kind, o.event.Remote, o.event.Transport)
		}
	}
	if accepted == 0 {
		t.Fatal("no event in the capture")
	}
}

func TestSecurityEvent(t *testing.T) {
	o := one(t, block("Event: InvalidPassword", "Privilege: security,all",
		"Timestamp: 1795308003.505123", "SequenceNumber: 7", "File: manager.c", "Line: 12", "Func: x", "SystemName: pbx",
		"EventTV: 2026-11-22T00:40:03.505-0330", "Severity: Error", "Service: SIP", "EventVersion: 2",
		"AccountID: 1002", "SessionID: 0x55e78c1786c0", "LocalAddress: IPV4/UDP/192.0.2.1/5060",
		"RemoteAddress: IPV6/TLS/2001:db8::66/5061", "Module: chan_sip", "SessionTV: 2026-11-22T00:40:03.505-0330",
		"Challenge: 4c79d0eb", "ReceivedChallenge: 4c79d0eb", "ReceivedHash: f9d0"))
	e := o.event
	if o.err != nil {
		t.Fatal(o.err)
	}
	if want := time.Date(2026, 11, 22, 4, 10, 3, 505e6, time.UTC); !e.At.Equal(want) {
		t.Errorf("at %v, want %v", e.At, want)
	}
	if e.Kind != event.InvalidPassword || string(e.Service) != "SIP" || string(e.AccountID) != "1002" ||
		string(e.SessionID) != "0x55e78c1786c0" || e.Local != netip.MustParseAddrPort("192.0.2.1:5060") ||
		e.Remote != netip.MustParseAddrPort("[2001:db8::66]:5061") || e.Transport != event.TLS ||
		string(e.Challenge) != "4c79d0eb" {
		t.Errorf("read as %+v", e)
	}
}

func TestChannelEvents(t *testing.T) {
	leg := func(prefix, name string) []string {
		return []string{
			prefix + "Channel: " + name, prefix + "ChannelState: 6", prefix + "ChannelStateDesc: Up",
			prefix + "CallerIDNum: 1002", prefix + "CallerIDName: <unknown>", prefix + "ConnectedLineNum: 77",
			prefix + "ConnectedLineName: <unknown>", prefix + "Language: en", prefix + "AccountCode: acc",
			prefix + "Context: internal", prefix + "Exten: 0011", prefix + "Priority: 2",
			prefix + "Uniqueid: 1.1", prefix + "Linkedid: 1.0",
		}
	}
	vars := []string{"Tenantid: t", "ChanVariable: a=1", "ChanVariable: b="}
	callEvent := func(kind string, parts ...[]string) string {
		return block(append([]string{"Event: " + kind, "Privilege: call,all"}, joined(parts)...)...)
	}
	caller, callee := leg("", "PJSIP/1002-00000001"), leg("Dest", "PJSIP/trunk-00000002")
	bridge := []string{
		"BridgeUniqueid: b1", "BridgeType: basic", "BridgeTechnology: simple_bridge", "BridgeCreator: <unknown>",
		"BridgeName: <unknown>", "BridgeNumChannels: 1", "BridgeVideoSourceMode: none",
	}
	for _, c := range []struct {
		name, stream string
		kind         event.Kind
		good         func(*event.Event) bool
	}{
		{"new", callEvent("Newchannel", caller), event.Newchannel, func(e *event.Event) bool {
			return string(e.Channel) == "PJSIP/1002-00000001" && e.ChannelState == event.StateUp &&
				string(e.CallerIDNum) == "1002" && string(e.ConnectedLineNum) == "77" && string(e.AccountCode) == "acc" &&
				string(e.Context) == "internal" && string(e.Exten) == "0011" &&
				string(e.Uniqueid) == "1.1" && string(e.Linkedid) == "1.0"
		}},
		{"state, with tenant and variables (22)", callEvent("Newstate", caller, vars), event.Newstate, nil},
		{
			"hang-up (16)", callEvent("Hangup", caller, []string{"Cause: 16", "Cause-txt: Normal Clearing"}), event.Hangup,
			func(e *event.Event) bool { return e.Cause == 16 },
		},
		{
			"hang-up (22)", callEvent("Hangup", caller, vars, []string{"Cause: 21", "Cause-txt: Call Rejected", "TechCause: 403"}),
			event.Hangup, func(e *event.Event) bool { return e.Cause == 21 },
		},
		{"dial", callEvent("DialBegin", caller, callee, []string{"DialString: 0011@trunk"}), event.DialBegin, func(e *event.Event) bool {
			return string(e.Channel) == "PJSIP/1002-00000001" && string(e.DestChannel) == "PJSIP/trunk-00000002" &&
				e.DestChannelState == event.StateUp && string(e.DestExten) == "0011" && string(e.DestUniqueid) == "1.1" &&
				string(e.DestLinkedid) == "1.0" && string(e.DialString) == "0011@trunk"
		}},
		{"dial with variables on both sides", callEvent("DialBegin", caller, vars, callee, []string{"DestChanVariable: a="},
			[]string{"DialString: 1"}), event.DialBegin, nil},
		{
			"dial without a caller (Originate)", callEvent("DialBegin", callee, []string{"DialString: 1"}), event.DialBegin,
			func(e *event.Event) bool { return e.Channel == nil && e.DestChannel != nil },
		},
		{
			"dial end", callEvent("DialEnd", caller, callee, []string{"DialStatus: ANSWER"}), event.DialEnd,
			func(e *event.Event) bool { return string(e.DialStatus) == "ANSWER" },
		},
		{"dial end, forwarded", callEvent("DialEnd", callee, []string{"Forward: x", "DialStatus: BUSY"}), event.DialEnd, nil},
		{
			"bridge enter", callEvent("BridgeEnter", bridge, caller, []string{"SwapUniqueid: 1.5"}), event.BridgeEnter,
			func(e *event.Event) bool { return string(e.BridgeUniqueid) == "b1" && string(e.Uniqueid) == "1.1" },
		},
		{"bridge leave, video", callEvent("BridgeLeave", bridge, []string{"BridgeVideoSource: 1.1"}, caller), event.BridgeLeave, nil},
	} {
		o := one(t, c.stream)
		if o.err != nil || o.event.Kind != c.kind {
			t.Errorf("%s: %v, %v", c.name, o.event.Kind, o.err)
		} else if c.good != nil && !c.good(&o.event) {
			t.Errorf("%s: read as %+v", c.name, o.event)
		}
	}
}

func joined(parts [][]string) (all []string) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestTampering(t *testing.T) {
	good := []string{
		"Event: SuccessfulAuth", "Privilege: security,all", "EventTV: 2026-11-22T00:26:27.069+0000",
		"Severity: Informational", "Service: PJSIP", "EventVersion: 1", "AccountID: 1002", "SessionID: 6@192.0.2.66",
		"LocalAddress: IPV4/UDP/192.0.2.1/5060", "RemoteAddress: IPV4/UDP/192.0.2.66/5060", "UsingPassword: 1",
	}
	if o := one(t, block(good...)); o.err != nil {
		t.Fatal(o.err)
	}
	line := func(name string) int {
		for i, l := range good {
			if strings.HasPrefix(l, name+":") {
				return i
			}
		}
		t.Fatal(name)
		return 0
	}
	with := func(name, replacement string) string {
		lines := append([]string(nil), good...)
		lines[line(name)] = replacement
		return block(lines...)
	}
	before := func(name, more string) string {
		i := line(name)
		return block(append(append(append([]string(nil), good[:i]...), more), good[i:]...)...)
	}
	for _, c := range []struct {
		name, stream string
		want         event.Tampering
	}{
		{"line without colon", before("EventTV", "nonsense"), event.TamperedFraming},
		{"bare CR", with("AccountID", "AccountID: a\rb"), event.TamperedFraming},
		{"bare LF", with("AccountID", "AccountID: a\nb"), event.TamperedFraming},
		{"NUL", with("AccountID", "AccountID: a\x00b"), event.TamperedFraming},
		{"headless", block(good[1:]...), event.TamperedHeadless},
		{"wrong class", with("Privilege", "Privilege: system,all"), event.TamperedClass},
		{"class as subscribed, not as written", with("Privilege", "Privilege: security"), event.TamperedClass},
		{"no class", block(append(append([]string(nil), good[0]), good[2:]...)...), event.TamperedMissing},
		{"event header only", block(good[0]), event.TamperedMissing},
		{"wrong severity", with("Severity", "Severity: Error"), event.TamperedValue},
		{"wrong version", with("EventVersion", "EventVersion: 2"), event.TamperedValue},
		{"no service", with("Service", "Service: "), event.TamperedValue},
		{"service that is not a name", with("Service", "Service: PJ SIP"), event.TamperedValue},
		{"time in UTC notation", with("EventTV", "EventTV: 2026-11-22T00:26:27.069Z"), event.TamperedValue},
		{"thirteenth month", with("EventTV", "EventTV: 2026-13-22T00:26:27.069+0000"), event.TamperedValue},
		{"source without port", with("RemoteAddress", "RemoteAddress: IPV4/UDP/192.0.2.66"), event.TamperedValue},
		{"local address with a control byte", with("LocalAddress", "LocalAddress: IPV4/UDP/\x1b/1"), event.TamperedValue},
		{"password flag that is not a number", with("UsingPassword", "UsingPassword: yes"), event.TamperedValue},
		{"duplicate source", before("RemoteAddress", "RemoteAddress: IPV4/UDP/8.8.8.8/5"), event.TamperedMissing},
		{"duplicate source, earlier", before("SessionID", "RemoteAddress: IPV4/UDP/8.8.8.8/5"), event.TamperedMissing},
		{"duplicate class", before("EventTV", "Privilege: security,all"), event.TamperedMissing},
		{"unknown header", before("UsingPassword", "X-More: 1"), event.TamperedMissing},
		{"unknown header at the end", block(append(append([]string(nil), good...), "X-More: 1")...), event.TamperedSurplus},
		{"header in lower case", with("Service", "service: PJSIP"), event.TamperedMissing},
		{"incomplete debug preamble", before("EventTV", "SequenceNumber: 1"), event.TamperedMissing},
		{"debug preamble without its first header", before("EventTV", "File: manager.c"), event.TamperedSurplus},
		{"preamble out of order", before("EventTV", "SystemName: a\r\nTimestamp: 1.1"), event.TamperedMissing},
	} {
		all := parseStream(t, c.stream)
		if len(all) != 1 {
			t.Fatalf("%s: %d blocks", c.name, len(all))
		}
		err := all[0].err
		var reason event.Tampering
		if !errors.Is(err, event.ErrTampered) || !errors.As(err, &reason) || reason != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if e := all[0].event; e.Remote.IsValid() || e.AccountID != nil {
			t.Errorf("%s: values are returned: %+v", c.name, e)
		}
	}
}

func TestOrderIsPartOfTheSchema(t *testing.T) {
	for _, k := range event.Kinds() {
		lines := event.Shortest(k)
		for i := range lines {
			for j := i + 1; j < len(lines); j++ {
				swapped := append([]string(nil), lines...)
				swapped[i], swapped[j] = swapped[j], swapped[i]
				for _, o := range all(t, block(swapped...)) {
					if o.err == nil {
						t.Fatalf("%v with lines %d and %d swapped is accepted", k, i, j)
					}
				}
			}
			for _, o := range all(t, block(append(append([]string(nil), lines[:i]...), lines[i+1:]...)...)) {
				if o.err == nil {
					t.Fatalf("%v without %q is accepted", k, lines[i])
				}
			}
			doubled := append(append(append([]string(nil), lines[:i+1]...), lines[i]), lines[i+1:]...)
			for _, o := range all(t, block(doubled...)) {
				if o.err == nil {
					t.Fatalf("%v with duplicate %q is accepted", k, lines[i])
				}
			}
		}
	}
}

func all(t *testing.T, stream string) []outcome {
	t.Helper()
	outcomes := parseStream(t, stream)
	return outcomes
}

func TestUnsupportedBlocks(t *testing.T) {
	for _, block := range []string{
		block("Response: Success", "ActionID: 1", "Message: Authentication accepted"),
		block("Event: FullyBooted", "Privilege: system,all", "Status: Fully Booted"),
		block("Event: CoreShowChannel", "ActionID: 4", "Channel: PJSIP/1002-00000001"),
		block("Event: Shutdown", "Privilege: system,all", "Shutdown: Cleanly", "Restart: True"),
	} {
		if o := one(t, block); !errors.Is(o.err, event.ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnknown", o.first, o.err)
		}
	}
}

// TestTrueSource parses torn events up to their end.
func TestTrueSource(t *testing.T) {
	const real = "UDP 192.0.2.66:5060"
	torn := func(account string) string {
		return block("Event: InvalidAccountID", "Privilege: security,all", "EventTV: 2026-11-22T00:26:27.069+0000",
			"Severity: Error", "Service: PJSIP", "EventVersion: 1", "AccountID: "+account, "SessionID: 6@192.0.2.66",
			"LocalAddress: IPV4/UDP/192.0.2.1/5060", "RemoteAddress: IPV4/UDP/192.0.2.66/5060")
	}
	channel := func(number string) string {
		lines := event.Shortest(event.Newchannel)
		for i, l := range lines {
			if strings.HasPrefix(l, "CallerIDNum:") {
				lines[i] = "CallerIDNum: " + number
			}
		}
		return block(lines...)
	}
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"a source before the real one", torn("x\r\nRemoteAddress: IPV4/UDP/8.8.8.8/5"), []string{real}},
		{"a source that ends the block", torn("\r\nRemoteAddress:IPV4/8.8.8.8/5\r\n"), []string{real}},
		{"the block ended", torn("\r\n\r\n"), []string{real}},
		{"another event started", torn("\r\n\r\nEvent: SuccessfulAuth\r\n"), []string{real}},
		{"unsupported event started", torn("\r\n\r\nEvent: x\r\n"), []string{real}},
		{"unsupported event started and ended", torn("\r\n\r\nEvent: x\r\n\r\n"), []string{real}},
		{"response started", torn("\r\n\r\nResponse: x\r\n"), []string{real}},
		{"a line without colon", torn("x\r\ny"), []string{real}},
		{"bare line ends", torn("\n\n\nEvent: x\n"), []string{real}},
		{"twice", torn("\r\n\r\n") + torn("\r\n\r\n"), []string{real, real}},
		{"a caller's number that names a source", channel("\r\n\r\nSessionID:\r\nLocalAddress:IPV4/\r\nRemoteAddress:IPV4/8.8.8.8/5\r\n"), nil},
		{"a torn event, completed, then a caller's number", torn("\r\n\r\n") +
			channel("\r\n\r\nSessionID:\r\nLocalAddress:IPV4/\r\nRemoteAddress:IPV4/8.8.8.8/5\r\n"), []string{real}},
	} {
		var got []string
		outcomes := parseStream(t, c.stream)
		for _, o := range outcomes {
			if o.err == nil {
				t.Errorf("%s: %s is accepted", c.name, o.first)
			}
			if o.source != "" {
				got = append(got, o.source)
			}
		}
		if strings.Join(got, ";") != strings.Join(c.want, ";") {
			t.Errorf("%s: from %q, want %q", c.name, got, c.want)
		}
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	var stream bytes.Buffer
	for _, k := range event.Kinds() {
		stream.WriteString(block(event.Shortest(k)...))
	}
	stream.WriteString(block("Event: TestEvent", "Privilege: reporting,all"))
	stream.WriteString(block("Event: SuccessfulAuth", "Privilege: security,all", "AccountID: x"))
	r := ami.NewReader(&endless{data: stream.Bytes()})
	var p event.Parser
	var e event.Event
	if n := testing.AllocsPerRun(1000, func() {
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Parse(b, &e); errors.Is(err, event.ErrTampered) {
			p.TrueSource()
		} else if err == nil {
			e.Proven()
			e.Account()
			event.SplitChannel(e.Channel)
		}
	}); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
}

// endless returns the same bytes over and over.
type endless struct {
	data []byte
	at   int
}

func (s *endless) Read(p []byte) (int, error) {
	n := copy(p, s.data[s.at:])
	s.at = (s.at + n) % len(s.data)
	return n, nil
}

func BenchmarkParse(b *testing.B) {
	events := map[string]string{
		"SuccessfulAuth": block("Event: SuccessfulAuth", "Privilege: security,all", "EventTV: 2026-11-22T00:26:27.069+0000",
			"Severity: Informational", "Service: PJSIP", "EventVersion: 1", "AccountID: 1002", "SessionID: 6-26602@192.0.2.66",
			"LocalAddress: IPV4/UDP/192.0.2.1/5060", "RemoteAddress: IPV4/UDP/192.0.2.66/5060", "UsingPassword: 1"),
		"ChallengeResponseFailed": block("Event: ChallengeResponseFailed", "Privilege: security,all",
			"EventTV: 2026-11-22T00:26:26.070+0000", "Severity: Error", "Service: PJSIP", "EventVersion: 1", "AccountID: 1002",
			"SessionID: 1-26602@192.0.2.66", "LocalAddress: IPV4/UDP/192.0.2.1/5060",
			"RemoteAddress: IPV4/UDP/192.0.2.66/5060", "Challenge: 1795307186/d5860766b3641f2e83a5836c8ec17bd1",
			"Response: b657fffe7b6df4499c2aa9be96fde0fb", "ExpectedResponse: "),
		"Newchannel": block(event.Shortest(event.Newchannel)...),
		"unknown":    block("Event: TestEvent", "Privilege: reporting,all", "Type: StateChange", "State: X"),
	}
	for name, text := range events {
		b.Run(name+"/read and parse", func(b *testing.B) {
			r := ami.NewReader(&endless{data: []byte(strings.Repeat(text, 64))})
			var p event.Parser
			var e event.Event
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				block, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Parse(block, &e); errors.Is(err, event.ErrTampered) {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/parse", func(b *testing.B) {
			block, err := ami.NewReader(strings.NewReader(text)).Next()
			if err != nil {
				b.Fatal(err)
			}
			var p event.Parser
			var e event.Event
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Parse(block, &e); errors.Is(err, event.ErrTampered) {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzParseEvent checks the schema against any stream: an accepted event has
// exactly its headers and valid values.
func FuzzParseEvent(f *testing.F) {
	// Short seeds: the fuzzer takes minutes to shorten a long one.
	f.Add([]byte(block("Event: InvalidAccountID", "Privilege: security,all", "EventTV: 2026-11-22T00:46:05.064+0000",
		"Severity: Error", "Service: PJSIP", "EventVersion: 1", "AccountID: ", "", "Event: SuccessfulAuth", "",
		"SessionID: 1", "LocalAddress: IPV4/UDP/192.0.2.1/5060", "RemoteAddress: IPV4/UDP/192.0.2.66/43412")))
	for _, k := range event.Kinds() {
		f.Add([]byte(block(event.Shortest(k)...)))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := ami.NewReader(bytes.NewReader(stream))
		var p event.Parser
		var e event.Event
		for {
			b, err := r.Next()
			if err != nil {
				return
			}
			err = p.Parse(b, &e)
			source, _, found := p.TrueSource()
			switch {
			case err == nil:
				mustBeExact(t, b, &e)
				if found {
					t.Fatal("a valid event has a true source")
				}
			case errors.Is(err, event.ErrUnknown) && found:
				t.Fatal("an unsupported block has a true source")
			case !errors.Is(err, event.ErrUnknown) && !errors.Is(err, event.ErrTampered):
				t.Fatal(err)
			case found && !source.IsValid():
				t.Fatal("the true source is not valid")
			}
		}
	})
}

func mustBeExact(t *testing.T, b *event.Block, e *event.Event) {
	t.Helper()
	if b.Damage != event.Undamaged || string(b.Headers[0].Name) != "Event" || string(b.Headers[0].Value) != e.Kind.String() {
		t.Fatalf("accepted: %q as %v, %v", b.Headers[0].Value, e.Kind, b.Damage)
	}
	seen := map[string]bool{}
	for _, h := range b.Headers {
		name := string(h.Name)
		if seen[name] && !strings.HasSuffix(name, "ChanVariable") {
			t.Fatalf("%v is accepted with duplicate %s", e.Kind, name)
		}
		seen[name] = true
	}
	if e.Kind.Security() != e.Remote.IsValid() || e.Kind.Security() != !e.At.IsZero() {
		t.Fatalf("%v from %v at %v", e.Kind, e.Remote, e.At)
	}
	if !e.Kind.Security() && e.Channel == nil && e.DestChannel == nil {
		t.Fatalf("%v without a channel", e.Kind)
	}
}

// recorded returns the capture of a real Asterisk without its greeting.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	_, blocks, found := bytes.Cut(data, []byte("\r\n"))
	if !found {
		t.Fatalf("%s has no greeting", name)
	}
	return blocks
}
