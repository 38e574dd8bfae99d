package check

import (
	"slices"
	"strings"
	"testing"
)

// The built-in thresholds read like the README's table, with the configuration's numbers,
// and without the names of signals.
func TestRules(t *testing.T) {
	cfg := load(t, "127.0.0.1:5038", "[break_in]\nfailures = 7\n[slow]\naccounts = 5\n")
	rules := Rules(cfg)
	for _, want := range []Rule{
		{"3 wrong passwords from one IP address within 1h", "the address is blocked"},
		{"slow guessing within 7d: one address at 5 extensions, or 30 times", "the address is blocked"},
		{
			"a break-in: 7 failed logins to an extension from one unknown address or its network within 24h, then a successful one from there",
			"the address is blocked, the extension's calls are hung up, its password is changed, its registrations are removed, and you get a message",
		},
		{"an event with forged lines, or 5 requests for extensions that do not exist, or of a kind that no phone sends from one IP address within 1h", "the address is blocked"},
		{"a call to a forbidden number: premium, satellite", "the call is hung up and you get a message"},
	} {
		if !slices.Contains(rules, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	for _, threshold := range cfg.Thresholds {
		for signal := range threshold.Signals {
			for _, r := range rules {
				if strings.Contains(r.When+r.Then, signal) && signal != "Tampering" && signal != "Dormant" {
					t.Errorf("%q names the signal %s", r.When, signal)
				}
			}
		}
	}
}
