package ami

import (
	"errors"
	"strings"
	"testing"
)

// heardEvent reads a security event with these values; names that its shortest
// block lacks are put at its end.
func heardEvent(t *testing.T, k Kind, values map[string]string) Event {
	t.Helper()
	lines := shortest(k)
	for name, value := range values {
		found := false
		for i, l := range lines {
			if strings.HasPrefix(l, name+":") {
				lines[i], found = name+": "+value, true
			}
		}
		if !found {
			t.Fatalf("%v has no %s", k, name)
		}
	}
	o := one(t, wired(lines...))
	if o.err != nil {
		t.Fatalf("%v %v: %v", k, values, o.err)
	}
	return o.event
}

// chanSIPInvalidPassword is what chan_sip raises for a wrong password.
func chanSIPInvalidPassword(t *testing.T, challenge, received, remote string) Event {
	t.Helper()
	o := one(t, wired("Event: InvalidPassword", "Privilege: security,all", "EventTV: 2026-11-22T00:40:03.505+0000",
		"Severity: Error", "Service: SIP", "EventVersion: 2", "AccountID: 1002", "SessionID: 0x55e78c1786c0",
		"LocalAddress: IPV4/UDP/192.0.2.1/5060", "RemoteAddress: "+remote,
		"Challenge: "+challenge, "ReceivedChallenge: "+received, "ReceivedHash: f9d0"))
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.event
}

func TestProof(t *testing.T) {
	const udp, tcp, tls, ws, wss, none = "IPV4/UDP/192.0.2.66/5060", "IPV4/TCP/192.0.2.66/5060",
		"IPV4/TLS/192.0.2.66/5060", "IPV6/WS/2001:db8::66/5060", "IPV4/WSS/192.0.2.66/5060", "IPV4/192.0.2.66/5060"
	event := func(k Kind, service, remote string, more ...string) Event {
		values := map[string]string{"Service": service, "RemoteAddress": remote}
		for i := 0; i < len(more); i += 2 {
			values[more[i]] = more[i+1]
		}
		return heardEvent(t, k, values)
	}
	for _, c := range []struct {
		name   string
		event  Event
		proven bool
	}{
		{"a failure over UDP", event(ChallengeResponseFailed, "PJSIP", udp, "Challenge", "1/2"), false},
		{"a failure over TCP", event(ChallengeResponseFailed, "PJSIP", tcp), true},
		{"a failure over TLS", event(ChallengeResponseFailed, "PJSIP", tls), true},
		{"a failure over WS", event(ChallengeResponseFailed, "PJSIP", ws), true},
		{"a failure over WSS", event(ChallengeResponseFailed, "PJSIP", wss), true},
		{"a failure over who knows what", event(ChallengeResponseFailed, "PJSIP", none), false},
		{"an unknown account over UDP", event(InvalidAccountID, "PJSIP", udp), false},
		{"a challenge over UDP", event(ChallengeSent, "PJSIP", udp), false},
		{"a digest that is right", event(SuccessfulAuth, "PJSIP", udp, "UsingPassword", "1"), true},
		{"a success without a password", event(SuccessfulAuth, "PJSIP", udp, "UsingPassword", "0"), false},
		{"a manager login", event(SuccessfulAuth, "AMI", tcp, "UsingPassword", "0"), true},
		{"a wrong manager login", event(InvalidPassword, "AMI", tcp), true},
		{"chan_sip: the right challenge", chanSIPInvalidPassword(t, "4c79d0eb", "4c79d0eb", udp), false},
		{"chan_sip: another challenge", chanSIPInvalidPassword(t, "4c79d0eb", "00000000", udp), false},
		{"chan_sip: no challenge", chanSIPInvalidPassword(t, "", "", udp), false},
		{"chan_sip: over TCP", chanSIPInvalidPassword(t, "", "", tcp), false},
		{"chan_sip: a digest that is right", event(SuccessfulAuth, "SIP", udp, "UsingPassword", "1"), false},
		{"a channel", one(t, wired(shortest(Newchannel)...)).event, false},
	} {
		if got := c.event.Proven(); got != c.proven {
			t.Errorf("%s: proven %v, want %v", c.name, got, c.proven)
		}
	}
}

func TestAccount(t *testing.T) {
	for _, c := range []struct {
		kind        Kind
		service, id string
		trust       AccountTrust
		account     string
	}{
		{SuccessfulAuth, "PJSIP", "1002", AccountConfigured, "1002"},
		{ChallengeResponseFailed, "PJSIP", "<unknown>", AccountNone, ""},
		{ChallengeSent, "PJSIP", "", AccountNone, ""},
		{InvalidAccountID, "PJSIP", "admin", AccountClaimed, "admin"},
		{ChallengeSent, "PJSIP", "sip:1002@x", AccountConfigured, "sip:1002@x"},
		{InvalidPassword, "AMI", "warden", AccountConfigured, "warden"},
		{InvalidAccountID, "AMI", "root", AccountClaimed, "root"},

		// chan_sip on REGISTER
		{ChallengeSent, "SIP", "1002", AccountClaimed, "1002"},
		{InvalidPassword, "SIP", "1002", AccountOrNumber, ""},
		{SuccessfulAuth, "SIP", "1002", AccountOrNumber, ""},
		{InvalidAccountID, "SIP", "7777", AccountClaimed, "7777"},
		// chan_sip on INVITE
		{ChallengeSent, "SIP", "sip:1002@192.0.2.1", AccountURI, "1002"},
		{ChallengeSent, "SIP", "sips:1002:pw@192.0.2.1;x=y", AccountURI, "1002"},
		{ChallengeSent, "SIP", "SIP:8164444422;phone-context=+1@192.0.2.1", AccountURI, "8164444422"},
		{ChallengeSent, "SIP", "tel:+4930123", AccountURI, "+4930123"},
		{ChallengeSent, "SIP", "sip:192.0.2.1:5060", AccountURI, "192.0.2.1"},
		{ChallengeResponseFailed, "SIP", "sip:1002@192.0.2.1", AccountURI, "1002"},
		{InvalidPassword, "SIP", "0011442079460001", AccountOrNumber, ""},
		{FailedACL, "SIP", "0011442079460001", AccountOrNumber, ""},
	} {
		e := heardEvent(t, c.kind, map[string]string{"Service": c.service, "AccountID": c.id})
		if got := e.AccountTrust(); got != c.trust {
			t.Errorf("%s %v %q: trust %v, want %v", c.service, c.kind, c.id, got, c.trust)
		}
		if got := string(e.Account()); got != c.account {
			t.Errorf("%s %v %q: account %q, want %q", c.service, c.kind, c.id, got, c.account)
		}
	}
	channel := one(t, wired(shortest(Hangup)...)).event
	if channel.AccountTrust() != AccountNone || channel.Account() != nil {
		t.Error("a channel event names no account")
	}
}

// TestCallCaptures reads every kind of channel event of two real Asterisks, with
// all that manager.conf can add: timestampevents, debug, channelvars, systemname.
func TestCallCaptures(t *testing.T) {
	for _, file := range []string{"calls-asterisk16.txt", "calls-asterisk22.txt"} {
		seen := map[Kind]int{}
		outcomes := hear(t, string(capture(t, file)))
		for i, o := range outcomes {
			if o.err != nil {
				t.Errorf("%s: block %d, %s: %v", file, i, o.first, o.err)
			}
			seen[o.event.Kind]++
		}
		for _, k := range []Kind{Newchannel, Newstate, DialBegin, DialEnd, BridgeEnter, BridgeLeave, Hangup, RequestBadFormat, RequestNotAllowed} {
			if seen[k] == 0 {
				t.Errorf("%s: no %v", file, k)
			}
		}
	}
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-22T00:40:03.505+0000": "2026-11-22T00:40:03.505Z",
		"2026-11-22T00:40:03.005-0330": "2026-11-22T04:10:03.005Z",
		"2026-01-01T01:00:00.000+0545": "2025-12-31T19:15:00Z",
		"2028-02-29T23:59:60.999+0000": "2028-03-01T00:00:00.999Z",
		"2026-11-22T24:40:03.505+0000": "",
		"2026-11-22T00:60:03.505+0000": "",
		"2026-11-32T00:40:03.505+0000": "",
		"2026-00-22T00:40:03.505+0000": "",
		"1969-11-22T00:40:03.505+0000": "",
		"2026-11-22T00:40:03.505+0060": "",
		"2026-11-22 00:40:03.505+0000": "",
		"2026-11-22T00:40:03.505 0000": "",
		"2026-11-22T00:40:03.50a+0000": "",
		"2026-11-22T00:40:03+0000":     "",
		"":                             "",
	} {
		at, ok := parseTime([]byte(text))
		got := ""
		if ok {
			got = at.Format("2006-01-02T15:04:05.999Z")
		}
		if got != want {
			t.Errorf("%q = %q, want %q", text, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-1": true, "1795308004.123456": true, "": false, "-": false, "1.": false, ".5": false,
		"1.2.3": false, "+1": false, "1e3": false, "0x1": false, " 1": false,
	} {
		if isNumeric([]byte(text)) != want {
			t.Errorf("%q is numeric: %v", text, !want)
		}
	}
	var s ChannelState
	for _, text := range []string{"-1", "256", "1.5", "", "99999999999"} {
		if parseState([]byte(text), &s) {
			t.Errorf("%q is a state", text)
		}
	}
}

func TestTamperingIsAnError(t *testing.T) {
	for reason := TamperedFraming; reason < tamperings; reason++ {
		if !errors.Is(reason, ErrTampered) || errors.Is(reason, ErrUnknown) || reason.String() == "" {
			t.Errorf("%v is no tampering", reason)
		}
	}
	if Tampering(200).String() != "unknown" {
		t.Error("a reason that there is not")
	}
}
