package incident

import (
	"strings"
	"testing"
)

// What a secret could be tried out on is left out, and nothing else.
func TestRedact(t *testing.T) {
	const digest = "53ac4bc41ee4ec77888ed4aa50677247"
	for raw, want := range map[string]string{
		"Event: ChallengeResponseFailed\r\nSessionID: 1\r\nChallenge: 1432/ab\r\nResponse: " + digest + "\r\nExpectedResponse: " + digest + "\r\n": "Event: ChallengeResponseFailed\r\nSessionID: 1\r\nChallenge: 1432/ab\r\nResponse: (left out)\r\nExpectedResponse: (left out)\r\n",
		`SecurityEvent="InvalidPassword",Challenge="41d2",ReceivedChallenge="41d2",ReceivedHash="` + digest + `"`:                                  `SecurityEvent="InvalidPassword",Challenge="41d2",ReceivedChallenge="41d2",ReceivedHash="(left out)"`,
		`SecurityEvent="ChallengeResponseFailed",Challenge="1/a",Response="` + digest + `",ExpectedResponse=""`:                                    `SecurityEvent="ChallengeResponseFailed",Challenge="1/a",Response="(left out)",ExpectedResponse="(left out)"`,
		"chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' (" + digest + " != " + digest + ")":                                   "chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' ((left out))",
		`SecurityEvent="ChallengeResponseFailed",Challenge="1/a",Response="` + digest[:20]:                                                         `SecurityEvent="ChallengeResponseFailed",Challenge="1/a",Response="(left out)`,
		"chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' (" + digest[:20]:                                                      "chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' ((left out)",
		"chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' (" + digest + " !":                                                    "chan_iax2.c: Host 198.51.100.7 failed MD5 authentication for '1002' ((left out)",
		"manager.c: 198.51.100.7 failed to authenticate as 'Response: x'":                                                                          "manager.c: 198.51.100.7 failed to authenticate as 'Response: x'",
	} {
		got := Redact(raw)
		if got != want {
			t.Errorf("%q is kept as %q, want %q", raw, got, want)
		}
		if strings.Contains(got, digest[:20]) {
			t.Errorf("%q still holds a digest", got)
		}
	}
}
