package main

import (
	"fmt"
	"net/netip"
	"strconv"
)

// The events that Asterisk 22 with PJSIP raises, as it writes them.

const eventHead = "Event: %s\r\nPrivilege: security,all\r\nEventTV: 2026-11-22T03:04:05.678+0000\r\nSeverity: %s\r\n" +
	"Service: PJSIP\r\nEventVersion: 1\r\nAccountID: %s\r\nSessionID: %s\r\n" +
	"LocalAddress: IPV4/UDP/192.0.2.1/5060\r\nRemoteAddress: IPV4/UDP/%s/5060\r\n"

const nonce = "1763780645/0123456789abcdef0123456789abcdef"

// failure is one wrong password.
func failure(account string, source netip.Addr, session int) string {
	return fmt.Sprintf(eventHead+"Challenge: %s\r\nResponse: 0123456789abcdef0123456789abcdef\r\nExpectedResponse: \r\n\r\n",
		"ChallengeResponseFailed", "Error", account, "f-"+strconv.Itoa(session)+"@phone", source, nonce)
}

// challenged and success are what a phone raises that registers.
func challenged(account string, source netip.Addr, session int) string {
	return fmt.Sprintf(eventHead+"Challenge: \r\n\r\n", "ChallengeSent", "Informational", account, "s-"+strconv.Itoa(session)+"@phone", source)
}

func success(account string, source netip.Addr, session int) string {
	return fmt.Sprintf(eventHead+"UsingPassword: 1\r\n\r\n", "SuccessfulAuth", "Informational", account, "s-"+strconv.Itoa(session)+"@phone", source)
}

// ordinary is what a PBX says on a quiet day: phones that register, 200 events
// of a hundred places.
func ordinary() []string {
	var events []string
	for i := range 100 {
		account, source := strconv.Itoa(1000+i), netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		events = append(events, challenged(account, source, i), success(account, source, i))
	}
	return events
}

// attacker is the address number i of those that attack, of 2²³.
func attacker(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(32 + i>>24), byte(i >> 16), byte(i >> 8), byte(i)})
}
