package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// found parses lines and describes each finding.
func found(text string) []string {
	p := Parser{Clock: Clock{Latest: noon}}
	var list []string
	emit := func(r *Record) { list = append(list, describe(r)) }
	for line := range strings.SplitSeq(text, "\n") {
		p.Line([]byte(line), emit)
	}
	p.Flush(emit)
	return list
}

func describe(r *Record) string {
	e := &r.Event
	switch r.Finding {
	case Blinded:
		return "blinded"
	case Tampered:
		if e.Remote.IsValid() {
			return "tampered by " + e.Remote.String()
		}
		return "tampered"
	}
	return fmt.Sprintf("%s %s %q from %s", e.Service, e.Kind, e.AccountID, e.Remote)
}

func wantFound(t *testing.T, text string, want ...string) {
	t.Helper()
	if got := found(text); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nfound %q\n want %q", text, got, want)
	}
}

const stamp = "[2026-11-22 00:26:26.070] "

// securityLine returns an entry of the security log.
func securityLine(event, service, account, session, source, tail string) string {
	return stamp + `SECURITY[55] res_security_log.c: SecurityEvent="` + event + `",EventTV="2026-11-22T00:26:26.070+0000",Severity="Error",Service="` +
		service + `",EventVersion="1",AccountID="` + account + `",SessionID="` + session +
		`",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="` + source + `"` + tail
}

// request returns the NOTICE about a request that PJSIP rejected.
func request(from, source, callID, reason string) string {
	return stamp + `NOTICE[55] res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '` + from + `' failed for '` + source + `' (callid: ` + callID + `) - ` + reason
}

// Each message about an attempt, as formatted in Asterisk's source.
func TestMessages(t *testing.T) {
	for message, want := range map[string]string{
		`res_pjsip/pjsip_distributor.c: Request 'INVITE' from '"a" <sip:1002@pbx>' failed for '198.51.100.7:5060' (callid: 1@x) - Failed to authenticate`:                       `PJSIP ChallengeResponseFailed "1002" from 198.51.100.7:5060`,
		`res_pjsip/pjsip_distributor.c: Request 'INVITE' from '<sip:1002@pbx;x=y>' failed for '198.51.100.7:5060' (callid: 1@x) - Error to authenticate`:                        `PJSIP ChallengeResponseFailed "1002" from 198.51.100.7:5060`,
		`res_pjsip/pjsip_distributor.c: Request 'REGISTER' from '<sip:9@pbx>' failed for '[2001:db8::7]:5060' (callid: 1) - No matching endpoint found after 5 tries in 2.5 ms`: `PJSIP InvalidAccountID "9" from [2001:db8::7]:5060`,
		`res_pjsip/pjsip_distributor.c: Request from '<sip:9@pbx>' failed for '198.51.100.7:5060' (callid: 1) - Not match Endpoint ACL`:                                         `PJSIP FailedACL "9" from 198.51.100.7:5060`,
		`res_pjsip_session.c:  anonymous: Call (TLS:198.51.100.7:5061) to extension '00442' rejected because extension not found in context 'in'.`:                              `PJSIP FailedACL "anonymous" from 198.51.100.7:5061`,
		`res_pjsip_session.c: Call from 'anonymous' (UDP:198.51.100.7:5060) to extension '0' rejected because extension not found in context 'in'.`:                             `PJSIP FailedACL "anonymous" from 198.51.100.7:5060`,
		`chan_sip.c: Call from '' (198.51.100.7:5060) to extension '+44' rejected because extension not found in context 'default'.`:                                            `SIP FailedACL "" from 198.51.100.7:5060`,
		`chan_sip.c: Registration from '"1002" <sip:1002@pbx:5060>' failed for '198.51.100.7:5060' - Wrong password`:                                                            `SIP InvalidPassword "1002" from 198.51.100.7:5060`,
		`chan_sip.c: Registration from 'sip:1002@pbx' failed for '198.51.100.7' - No matching peer found`:                                                                       `SIP InvalidAccountID "1002" from 198.51.100.7:0`,
		`chan_sip.c: hacking attempt detected '198.51.100.7'`:                                                                                                                   `SIP RequestBadFormat "" from 198.51.100.7:0`,
		`chan_iax2.c: Host 198.51.100.7:4569 failed to authenticate as 1002`:                                                                                                    `IAX2 InvalidPassword "1002" from 198.51.100.7:4569`,
		`chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' (aa != bb)`:                                                                                        `IAX2 InvalidPassword "1002" from 198.51.100.7:0`,
		`chan_iax2.c: No registration for peer '1002' (from 198.51.100.7)`:                                                                                                      `IAX2 InvalidAccountID "1002" from 198.51.100.7:0`,
		`manager.c: 198.51.100.7 tried to authenticate with nonexistent user 'root'`:                                                                                            `AMI InvalidAccountID "root" from 198.51.100.7:0`,
		`manager.c: 198.51.100.7 failed to authenticate as 'admin'`:                                                                                                             `AMI InvalidPassword "admin" from 198.51.100.7:0`,
		`manager.c: 198.51.100.7 failed to pass IP ACL as 'admin'`:                                                                                                              `AMI FailedACL "admin" from 198.51.100.7:0`,
		`Ext. s:6 in @ from-sip-external: "Rejecting unknown SIP connection from 198.51.100.7"`:                                                                                 `SIP FailedACL "" from 198.51.100.7:0`,
		`Ext. s: "Rejecting unknown SIP connection from [2001:db8::7]:5060"`:                                                                                                    `SIP FailedACL "" from [2001:db8::7]:5060`,
		`pbx.c: Registered extension context 'default'`:                                                                                                                         ``,
		`chan_sip.c: Peer '1002' is now UNREACHABLE!`:                                                                                                                           ``,
		`res_pjsip_registrar.c: Endpoint '1002' has no configured AORs`:                                                                                                         ``,
		`chan_iax2.c: Auto-congesting call due to slow response`:                                                                                                                ``,

		`manager.c: Manager 'x' logged on`: ``,
	} {
		for _, line := range []string{stamp + "NOTICE[55] " + message, stamp + "WARNING[55][C-0000001a] " + message} {
			if want == "" {
				wantFound(t, line)
				continue
			}
			wantFound(t, line, want)
		}
	}
}

// Events of the security log, with the fields that may follow the addresses.
func TestSecurityEntries(t *testing.T) {
	for _, c := range []struct{ event, service, source, tail, want string }{
		{"ChallengeResponseFailed", "PJSIP", "IPV4/UDP/198.51.100.7/5060", `,Challenge="1/a",Response="b",ExpectedResponse=""`, `PJSIP ChallengeResponseFailed "1002" from 198.51.100.7:5060`},
		{"InvalidPassword", "SIP", "IPV4/UDP/198.51.100.7/5060", `,Challenge="c",ReceivedChallenge="c",ReceivedHash="d"`, `SIP InvalidPassword "1002" from 198.51.100.7:5060`},
		{"SuccessfulAuth", "PJSIP", "IPV6/TLS/2001:db8::7/5061", `,UsingPassword="1"`, `PJSIP SuccessfulAuth "1002" from [2001:db8::7]:5061`},
		{"FailedACL", "AMI", "IPV4/TCP/198.51.100.7/40000", `,ACLName="a",SessionTV="1970-01-01T03:00:00.000+0300"`, `AMI FailedACL "1002" from 198.51.100.7:40000`},
		{"RequestNotAllowed", "AMI", "IPV4/TCP/198.51.100.7/40000", `,RequestType="Action: "x""`, `AMI RequestNotAllowed "1002" from 198.51.100.7:40000`},
		{"InvalidAccountID", "PJSIP", "IPV4/198.51.100.7/5060", ``, `PJSIP InvalidAccountID "1002" from 198.51.100.7:5060`},
	} {
		wantFound(t, securityLine(c.event, c.service, "1002", "s@x", c.source, c.tail), c.want)
	}
	wantFound(t, stamp+`SECURITY[55] res_security_log.c: SecurityEvent="RequestBadFormat",EventTV="2026-11-22T00:26:26.070+0000",Severity="Error",Service="AMI",EventVersion="1",`+
		`SessionID="0x7f",LocalAddress="IPV4/TCP/192.0.2.1/5038",RemoteAddress="IPV4/TCP/198.51.100.7/40000",RequestType="x",AccountID="admin"`,
		`AMI RequestBadFormat "admin" from 198.51.100.7:40000`)
}

// Prefixes of a message in a file, in syslog and in the journal.
func TestPrefixes(t *testing.T) {
	const want = `AMI InvalidPassword "admin" from 198.51.100.7:0`
	const message = "198.51.100.7 failed to authenticate as 'admin'"
	for _, prefix := range []string{
		"[Nov 22 00:26:26] NOTICE[55] manager.c: ",
		"[Nov  2 00:26:26] NOTICE[55][C-0000001a] manager.c: ",
		"[2026-11-22 00:26:26] NOTICE [55] manager.c: ",
		"[2026-11-22 00:26:26.070] NOTICE[55]: manager.c:3567 authenticate: ",
		"[2026-11-22T00:26:26.070+0100] NOTICE[55][C-1a]: manager.c:3567 authenticate: ",
		"Nov 22 00:26:26 pbx asterisk[9]: NOTICE[55]: manager.c:3567 in authenticate: ",
		"Nov  2 00:26:26 pbx asterisk: NOTICE[55][C-0000001a]: manager.c:3567 in authenticate: ",
		"2026-11-22T00:26:26.070123+01:00 pbx asterisk[9]: NOTICE[55]: manager.c:3567 in authenticate: ",
		"NOTICE[55]: manager.c:3567 in authenticate: ",
		"pbx asterisk[9]: NOTICE[55]: manager.c:3567 in authenticate: ",
		"pbx asterisk[9]: [Nov 22 00:26:26] NOTICE[55]: manager.c:3567 authenticate: ",
		"[Nov 22 00:26:26] \x1b[1;33mNOTICE\x1b[0m[55]: \x1b[1;37mmanager.c\x1b[0m:\x1b[1;37m3567\x1b[0m \x1b[1;37mauthenticate\x1b[0m: ",
	} {
		wantFound(t, prefix+message, want)
	}
	for _, prefix := range []string{
		"", "NOTICE ", "[x] NOTICE[55] manager.c: ", "[Nov 99 00:26:26] NOTICE[55] manager.c: ",
		"VERBOSE[55] manager.c: ", "[Nov 22 00:26:26] NOTICE[x] manager.c: ", "[Nov 22 00:26:26] NOTICE[55] chan_sip.c: ",
	} {
		wantFound(t, prefix+message)
	}
}

// The source is correct for any transport, for the events that other tools parse too, and
// in a file, in syslog and in the journal.
func TestSecurityEntriesWithEveryPrefix(t *testing.T) {
	prefixes := []string{
		"[Nov 22 00:26:26] SECURITY[55]: res_security_log.c:114 security_event_stasis_cb: ",
		"[Nov  2 00:26:26] SECURITY[55] res_security_log.c: ",
		"[2026-11-22 00:26:26.070] SECURITY[55] res_security_log.c: ",
		"Nov 22 00:26:26 pbx asterisk[9]: SECURITY[55]: res_security_log.c:114 in security_event_stasis_cb: ",
		"Nov 02 00:26:26 pbx asterisk[9]: SECURITY[55]: res_security_log.c:114 in security_event_stasis_cb: ",
		"2026-11-22T00:26:26.070123+01:00 pbx asterisk[9]: SECURITY[55]: res_security_log.c:114 in security_event_stasis_cb: ",
		"pbx asterisk[9]: SECURITY[55]: res_security_log.c:114 in security_event_stasis_cb: ",
		"SECURITY[55]: res_security_log.c:114 in security_event_stasis_cb: ",
	}
	events := []struct{ event, service, account, version, session, tail string }{
		{"InvalidAccountID", "PJSIP", "kiwi", "1", "2kOig-_HiNhyip", ""},
		{"InvalidAccountID", "SIP", "00442079460500", "1", "0x7f8ecc0421f8", ""},
		{"ChallengeResponseFailed", "PJSIP", "<unknown>", "1", "9860f048-8b50", `,Challenge="1640091420/ab",Response="cd",ExpectedResponse=""`},
		{"ChallengeResponseFailed", "PJSIP", "1002", "1", "9860f048-8b50", `,Challenge="1640091420/ab",Response="cd",ExpectedResponse=""`},
		{"InvalidPassword", "SIP", "1002", "2", "0x7fa52803a000", `,Challenge="62790d2c",ReceivedChallenge="62790d2c",ReceivedHash="c3b9"`},
		{"FailedACL", "SIP", "", "1", "0x7ff408103b18", `,ACLName="domain_must_match"`},
	}
	for _, prefix := range prefixes {
		for _, e := range events {
			for _, way := range []string{"UDP", "TCP", "TLS", "WS", "WSS"} {
				for from, want := range map[string]string{"IPV4/" + way + "/198.51.100.7/55287": "198.51.100.7:55287", "IPV6/" + way + "/2001:db8::7/55287": "[2001:db8::7]:55287"} {
					line := prefix + `SecurityEvent="` + e.event + `",EventTV="2026-11-22T00:26:26.070+0000",Severity="Error",Service="` + e.service + `",EventVersion="` + e.version +
						`",AccountID="` + e.account + `",SessionID="` + e.session + `",LocalAddress="IPV4/` + way + `/192.0.2.1/5060",RemoteAddress="` + from + `"` + e.tail
					wantFound(t, line, fmt.Sprintf("%s %s %q from %s", e.service, e.event, e.account, want))
				}
			}
		}
	}
}

// A date without a year gets the last possible year.
func TestDatesWithoutAYear(t *testing.T) {
	for text, want := range map[string]string{"Nov 22 11:00:00": "2026-11-22", "Dec  1 11:00:00": "2025-12-01", "Feb 29 11:00:00": "2024-02-29"} {
		c := Clock{Latest: noon}
		if at, ok := c.Parse([]byte(text)); !ok || at.Format(time.DateOnly) != want {
			t.Errorf("%s is %v, %v; want %s", text, at, ok, want)
		}
	}
}

// Forged text never changes the source. The attacker is always 192.0.2.66 and tries to
// have 8.8.8.8 blamed.
func TestHostileLines(t *testing.T) {
	const attacker = `from 192.0.2.66:5060`
	fake := `' failed for '8.8.8.8:5' (callid: x) - Failed to authenticate`
	failed := func(account string) string {
		return fmt.Sprintf(`PJSIP ChallengeResponseFailed %q %s`, account, attacker)
	}
	row := `",LocalAddress="IPV4/UDP/192.0.2.1/5060",RemoteAddress="IPV4/TCP/8.8.8.8/1"`
	next := stamp + `VERBOSE[55] pbx.c: next`
	for name, c := range map[string]struct{ text, want string }{
		"a display name":                     {request(`"`+fake+`" <sip:1002@x>`, "192.0.2.66:5060", "1", "Failed to authenticate"), failed("1002")},
		"a display name with escaped quotes": {request(`"a\" <sip:x@y>`+fake+`" <sip:1002@x>`, "192.0.2.66:5060", "1", "Failed to authenticate"), failed("1002")},
		"a parameter of the From":            {request(`<sip:1002@x;a=">`+fake+`">`, "192.0.2.66:5060", "1", "Failed to authenticate"), failed("1002")},
		"a URI with another scheme":          {request(`<foo:">`, "192.0.2.66:5060", `">`+fake, "Failed to authenticate"), failed("")},
		"a Call-ID":                          {request(`<sip:1002@x>`, "192.0.2.66:5060", `a`+fake[:len(fake)-10]+` (callid: `, "Failed to authenticate"), failed("1002")},
		"a Call-ID that gives a reason":      {request(`<sip:1002@x>`, "192.0.2.66:5060", `a) - No matching endpoint found`, "Failed to authenticate"), failed("1002")},
		"a Call-ID that is not UTF-8":        {request(`<sip:1002@x>`, "192.0.2.66:5060", "a\xff\xfe", "Failed to authenticate"), failed("1002")},
		"an invalid From":                    {request(`"a" b <sip:1002@x>`, "8.8.8.8:5060", "1", "Failed to authenticate"), "tampered"},
		"a session with addresses":           {securityLine("InvalidAccountID", "PJSIP", "1002", row[2:]+`,x="`+row, "IPV4/UDP/192.0.2.66/5060", ""), `PJSIP InvalidAccountID "1002" ` + attacker},
		"a challenge with addresses": {
			securityLine("ChallengeResponseFailed", "PJSIP", "1002", "s", "IPV4/UDP/192.0.2.66/5060", `,Challenge="`+strings.ReplaceAll(row, `"`, `\"`)+`",Response="",ExpectedResponse=""`),
			failed("1002"),
		},
		"an account that ends the line":        {securityLine("InvalidAccountID", "PJSIP", "x\r\nRemoteAddress: IPV4/UDP/8.8.8.8/5", "s", "IPV4/UDP/192.0.2.66/5060", ""), "tampered by 192.0.2.66:5060"},
		"an account and a session":             {securityLine("InvalidAccountID", "PJSIP", "x\r\n[1] NOTICE[1] manager.c: ", `8.8.8.8 failed to authenticate as '`, "IPV4/UDP/192.0.2.66/5060", ""), "tampered by 192.0.2.66:5060"},
		"an account with a whole line":         {securityLine("InvalidPassword", "SIP", "x\n"+stamp+"NOTICE[1] manager.c: 8.8.8.8 failed to authenticate as 'a'\n", "0x1", "IPV4/UDP/192.0.2.66/5060", ""), "tampered"},
		"an account that forges the end":       {securityLine("InvalidPassword", "SIP", `x`+"\n"+`",SessionID="0x1`+row+"\ny", "0x1", "IPV4/UDP/192.0.2.66/5060", ""), "tampered"},
		"an account with addresses":            {securityLine("InvalidPassword", "SIP", `x",SessionID="0x1`+row+"\ny", "0x1", "IPV4/UDP/192.0.2.66/5060", ""), "tampered"},
		"a number that ends the line":          {stamp + `NOTICE[1] res_pjsip_session.c: 1001: Call (UDP:192.0.2.66:5060) to extension '` + "\n[Nov 22 00:00:00] NOTICE[1] manager.c: 8.8.8.8 failed to authenticate as 'a'\n" + `' rejected because extension not found in context 'x'.`, "tampered"},
		"a number that uses the real end":      {stamp + `NOTICE[1] res_pjsip_session.c: 1001: Call (UDP:192.0.2.66:5060) to extension '` + "\n[Nov 22 00:00:00] NOTICE[1] chan_sip.c: Call from '' (8.8.8.8) to extension '" + `' rejected because extension not found in context 'x'.`, "tampered"},
		"a number with addresses":              {stamp + `NOTICE[1] res_pjsip_session.c: 1001: Call (UDP:192.0.2.66:5060) to extension ') (8.8.8.8:1) to extension '' rejected because extension not found in context 'x'.`, `PJSIP FailedACL "1001" ` + attacker},
		"a name in a trace that ends the line": {stamp + "VERBOSE[1] pbx.c: Executing [x\n[Nov 22 00:00:00] NOTICE[1] manager.c: 8.8.8.8 failed to authenticate as 'a'\n@in:1] NoOp", "tampered"},
		"a registration's To":                  {stamp + `NOTICE[1] chan_sip.c: Registration from '"` + `' failed for '8.8.8.8:5' - Wrong password` + `"<sip:1002@x>' failed for '192.0.2.66:5060' - Wrong password`, `SIP InvalidPassword "1002" ` + attacker},
		"a peer of IAX":                        {stamp + `NOTICE[1] chan_iax2.c: No registration for peer 'x' (from 8.8.8.8)' (from 192.0.2.66:5060)`, `IAX2 InvalidAccountID "x' (from 8.8.8.8)" ` + attacker},
	} {
		t.Run(name, func(t *testing.T) { wantFound(t, c.text+"\n"+next, c.want) })
	}
}

// A torn entry without an end hides only a few of the lines after it.
func TestTornEntryWithoutEnd(t *testing.T) {
	text := stamp + `SECURITY[55] res_security_log.c: SecurityEvent="InvalidAccountID",EventTV="2026`
	guess := request("<sip:1002@x>", "192.0.2.66:5060", "1", "Failed to authenticate")
	for range 20 {
		text += "\n" + guess
	}
	if got := found(text); len(got) < 10 || got[0] != "tampered" {
		t.Errorf("found %q", got)
	}
}

// manager.c writes two lines for a login with a nonexistent name. They count as one
// attempt.
func TestRejectedLoginsCountOnce(t *testing.T) {
	line := func(rest string) string { return stamp + "NOTICE[55] manager.c: 198.51.100.7 " + rest + "\n" }
	tried, failed := line("tried to authenticate with nonexistent user 'a'"), line("failed to authenticate as 'a'")
	wantFound(t, strings.Repeat(tried+failed, 2)+failed+line("failed to pass IP ACL as 'b'")+line("failed to authenticate as 'b'")+tried+line("failed to authenticate as 'b'"),
		`AMI InvalidAccountID "a" from 198.51.100.7:0`, `AMI InvalidAccountID "a" from 198.51.100.7:0`, `AMI InvalidPassword "a" from 198.51.100.7:0`,
		`AMI FailedACL "b" from 198.51.100.7:0`, `AMI InvalidAccountID "a" from 198.51.100.7:0`, `AMI InvalidPassword "b" from 198.51.100.7:0`)
}

func TestBlinding(t *testing.T) {
	wantFound(t, stamp+"ERROR[55] security_events.c: Failed to issue security event of type ChallengeResponseFailed.", "blinded")
}

// FuzzParser checks that no line causes a panic, and that the source is always the one
// that Asterisk wrote, 192.0.2.66.
func FuzzParser(f *testing.F) {
	for _, s := range []string{"x", `a" <sip:x@y>' failed for '8.8.8.8:5' (callid: x`, "x\r\nRemoteAddress: IPV4/UDP/8.8.8.8/5", `",LocalAddress="IPV4/UDP/1.1.1.1/1",RemoteAddress="IPV4/UDP/8.8.8.8/1"`} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		account, session := cut(a, 36), strings.ReplaceAll(cut(b, 255), "\n", "")
		uri := strings.Map(func(r rune) rune {
			if strings.ContainsRune("<>\"\n", r) {
				return '%'
			}
			return r
		}, a)
		text := securityLine("InvalidAccountID", "PJSIP", account, session, "IPV4/UDP/192.0.2.66/5060", "") + "\n" +
			request("<sip:"+uri+"@x>", "192.0.2.66:5060", session, "Failed to authenticate") + "\n" + stamp + "VERBOSE[1] pbx.c: next"
		p := Parser{Clock: Clock{Latest: noon}}
		emit := func(r *Record) {
			if r.Event.Remote.IsValid() && r.Event.Remote.Addr().String() != "192.0.2.66" {
				t.Errorf("%q\nattributed to %s", text, r.Event.Remote)
			}
		}
		for line := range strings.SplitSeq(text, "\n") {
			p.Line([]byte(line), emit)
		}
		p.Flush(emit)
		for line := range strings.SplitSeq(a, "\n") { // arbitrary lines
			p.Line([]byte(line), func(*Record) {})
		}
	})
}

func cut(s string, n int) string { return s[:min(len(s), n)] }

// The Follower handles a log that is renamed, truncated, missing for a while, or written in
// pieces.
func TestFollowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages")
	line := func(n int) string {
		return fmt.Sprintf(stamp+"NOTICE[55] manager.c: 198.51.100.%d failed to authenticate as 'a'\n", n)
	}
	write := func(text string) { t.Helper(); write(t, path, text) }
	var got []string
	f := &Follower{Path: path, Emit: func(r *Record) { got = append(got, r.Event.Remote.Addr().String()) }}
	buf := make([]byte, 100)
	poll := func(want ...int) {
		t.Helper()
		got = nil
		for range 30 {
			f.poll(noon, buf)
		}
		var text []string
		for _, n := range want {
			text = append(text, fmt.Sprintf("198.51.100.%d", n))
		}
		if strings.Join(got, " ") != strings.Join(text, " ") {
			t.Errorf("found %v, want %v", got, text)
		}
	}
	write(line(1))
	poll() // existing lines are skipped
	write(line(2) + line(3)[:20])
	poll()
	write(line(3)[20:])
	poll(2, 3)
	write(line(4))
	if err := os.Rename(path, path+".1"); err != nil { // before it was read
		t.Fatal(err)
	}
	poll(4)
	if f.Health().Err == nil {
		t.Error("no error for a missing log")
	}
	write(line(5))
	poll(5)
	if f.Health().Err != nil || f.Health().LastLine != noon {
		t.Errorf("health %+v", f.Health())
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	poll()
	write(line(6))
	poll(6)
	write(strings.Repeat("x", 100<<10) + "\n" + line(7))
	for range 1100 {
		f.poll(noon, buf)
	}
	poll()
	if h := f.Health(); h.TooLong != 1 || h.Rotated != 2 || h.Counts.Seen != 6 {
		t.Errorf("health %+v", h)
	}
}
