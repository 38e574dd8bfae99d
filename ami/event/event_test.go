package event_test

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/ami/event"
)

// parsedEvent parses the shortest security event of that kind with these values.
func parsedEvent(t *testing.T, k event.Kind, values map[string]string) event.Event {
	t.Helper()
	lines := event.Shortest(k)
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
	o := one(t, block(lines...))
	if o.err != nil {
		t.Fatalf("%v %v: %v", k, values, o.err)
	}
	return o.event
}

// chanSIPInvalidPassword returns the event that chan_sip raises for a wrong
// password.
func chanSIPInvalidPassword(t *testing.T, challenge, received, remote string) event.Event {
	t.Helper()
	o := one(t, block("Event: InvalidPassword", "Privilege: security,all", "EventTV: 2026-11-22T00:40:03.505+0000",
		"Severity: Error", "Service: SIP", "EventVersion: 2", "AccountID: 1002", "SessionID: 0x55e78c1786c0",
		"LocalAddress: IPV4/UDP/192.0.2.1/5060", "RemoteAddress: "+remote,
		"Challenge: "+challenge, "ReceivedChallenge: "+received, "ReceivedHash: f9d0"))
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.event
}

func TestProven(t *testing.T) {
	const udp, tcp, tls, ws, wss, none = "IPV4/UDP/192.0.2.66/5060", "IPV4/TCP/192.0.2.66/5060",
		"IPV4/TLS/192.0.2.66/5060", "IPV6/WS/2001:db8::66/5060", "IPV4/WSS/192.0.2.66/5060", "IPV4/192.0.2.66/5060"
	parsed := func(k event.Kind, service, remote string, more ...string) event.Event {
		values := map[string]string{"Service": service, "RemoteAddress": remote}
		for i := 0; i < len(more); i += 2 {
			values[more[i]] = more[i+1]
		}
		return parsedEvent(t, k, values)
	}
	for _, c := range []struct {
		name   string
		event  event.Event
		proven bool
	}{
		{"a failure over UDP", parsed(event.ChallengeResponseFailed, "PJSIP", udp, "Challenge", "1/2"), false},
		{"a failure over TCP", parsed(event.ChallengeResponseFailed, "PJSIP", tcp), true},
		{"a failure over TLS", parsed(event.ChallengeResponseFailed, "PJSIP", tls), true},
		{"a failure over WS", parsed(event.ChallengeResponseFailed, "PJSIP", ws), true},
		{"a failure over WSS", parsed(event.ChallengeResponseFailed, "PJSIP", wss), true},
		{"a failure over an unknown transport", parsed(event.ChallengeResponseFailed, "PJSIP", none), false},
		{"an unknown account over UDP", parsed(event.InvalidAccountID, "PJSIP", udp), false},
		{"a challenge over UDP", parsed(event.ChallengeSent, "PJSIP", udp), false},
		{"a correct digest", parsed(event.SuccessfulAuth, "PJSIP", udp, "UsingPassword", "1"), true},
		{"a success without a password", parsed(event.SuccessfulAuth, "PJSIP", udp, "UsingPassword", "0"), false},
		{"a manager login", parsed(event.SuccessfulAuth, "AMI", tcp, "UsingPassword", "0"), true},
		{"a wrong manager login", parsed(event.InvalidPassword, "AMI", tcp), true},
		{"chan_sip: the right challenge", chanSIPInvalidPassword(t, "4c79d0eb", "4c79d0eb", udp), false},
		{"chan_sip: another challenge", chanSIPInvalidPassword(t, "4c79d0eb", "00000000", udp), false},
		{"chan_sip: no challenge", chanSIPInvalidPassword(t, "", "", udp), false},
		{"chan_sip: over TCP", chanSIPInvalidPassword(t, "", "", tcp), false},
		{"chan_sip: a correct digest", parsed(event.SuccessfulAuth, "SIP", udp, "UsingPassword", "1"), false},
		{"a channel", one(t, block(event.Shortest(event.Newchannel)...)).event, false},
	} {
		if got := c.event.Proven(); got != c.proven {
			t.Errorf("%s: proven %v, want %v", c.name, got, c.proven)
		}
	}
}

func TestAccount(t *testing.T) {
	for _, c := range []struct {
		kind        event.Kind
		service, id string
		trust       event.AccountTrust
		account     string
	}{
		{event.SuccessfulAuth, "PJSIP", "1002", event.AccountConfigured, "1002"},
		{event.ChallengeResponseFailed, "PJSIP", "<unknown>", event.AccountNone, ""},
		{event.ChallengeSent, "PJSIP", "", event.AccountNone, ""},
		{event.InvalidAccountID, "PJSIP", "admin", event.AccountClaimed, "admin"},
		{event.ChallengeSent, "PJSIP", "sip:1002@x", event.AccountConfigured, "sip:1002@x"},
		{event.InvalidPassword, "AMI", "warden", event.AccountConfigured, "warden"},
		{event.InvalidAccountID, "AMI", "root", event.AccountClaimed, "root"},

		// chan_sip on REGISTER
		{event.ChallengeSent, "SIP", "1002", event.AccountClaimed, "1002"},
		{event.InvalidPassword, "SIP", "1002", event.AccountOrNumber, ""},
		{event.SuccessfulAuth, "SIP", "1002", event.AccountOrNumber, ""},
		{event.InvalidAccountID, "SIP", "7777", event.AccountClaimed, "7777"},
		// chan_sip on INVITE
		{event.ChallengeSent, "SIP", "sip:1002@192.0.2.1", event.AccountURI, "1002"},
		{event.ChallengeSent, "SIP", "sips:1002:pw@192.0.2.1;x=y", event.AccountURI, "1002"},
		{event.ChallengeSent, "SIP", "SIP:8164444422;phone-context=+1@192.0.2.1", event.AccountURI, "8164444422"},
		{event.ChallengeSent, "SIP", "tel:+4930123", event.AccountURI, "+4930123"},
		{event.ChallengeSent, "SIP", "sip:192.0.2.1:5060", event.AccountURI, "192.0.2.1"},
		{event.ChallengeResponseFailed, "SIP", "sip:1002@192.0.2.1", event.AccountURI, "1002"},
		{event.InvalidPassword, "SIP", "0011442079460001", event.AccountOrNumber, ""},
		{event.FailedACL, "SIP", "0011442079460001", event.AccountOrNumber, ""},
	} {
		e := parsedEvent(t, c.kind, map[string]string{"Service": c.service, "AccountID": c.id})
		if got := e.AccountTrust(); got != c.trust {
			t.Errorf("%s %v %q: trust %v, want %v", c.service, c.kind, c.id, got, c.trust)
		}
		if got := string(e.Account()); got != c.account {
			t.Errorf("%s %v %q: account %q, want %q", c.service, c.kind, c.id, got, c.account)
		}
	}
	channel := one(t, block(event.Shortest(event.Hangup)...)).event
	if channel.AccountTrust() != event.AccountNone || channel.Account() != nil {
		t.Error("a channel event names no account")
	}
}

// TestCallCaptures parses every kind of channel event of two real Asterisks, with
// everything that manager.conf can add: timestampevents, debug, channelvars, systemname.
func TestCallCaptures(t *testing.T) {
	for _, file := range []string{"calls-asterisk16.txt", "calls-asterisk22.txt"} {
		seen := map[event.Kind]int{}
		outcomes := parseStream(t, string(recorded(t, file)))
		for i, o := range outcomes {
			if o.err != nil {
				t.Errorf("%s: block %d, %s: %v", file, i, o.first, o.err)
			}
			seen[o.event.Kind]++
		}
		for _, k := range []event.Kind{event.Newchannel, event.Newstate, event.DialBegin, event.DialEnd, event.BridgeEnter, event.BridgeLeave, event.Hangup, event.RequestBadFormat, event.RequestNotAllowed} {
			if seen[k] == 0 {
				t.Errorf("%s: no %v", file, k)
			}
		}
	}
}
