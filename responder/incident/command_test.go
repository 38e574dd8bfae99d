package incident_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/incident"
)

// Whatever name a stranger makes up, it arrives as it is through a shell, and nothing of it runs.
func TestShellWord(t *testing.T) {
	for name, want := range map[string]string{
		"1002":              "1002",
		"192.0.2.66":        "192.0.2.66",
		"2001:db8::/64":     "2001:db8::/64",
		"[2001:db8::1]:50":  "'[2001:db8::1]:50'",
		"10 02; rm -rf ~":   "'10 02; rm -rf ~'",
		"o'brien":           `'o'\''brien'`,
		"":                  "''",
		"*":                 "'*'",
		"$(id) ${HOME} !!":  "'$(id) ${HOME} !!'",
		"a`id`b":            `$'a\140id\140b'`,
		"a\nb\x1b[2J\x00c'": "",
		"\u202egnp.exe":     "",
		"\xff\xfe":          `$'\377\376'`,
		"zoë":               "'zoë'",
	} {
		got := incident.ShellWord(name)
		if want != "" && got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
		if strings.ContainsAny(got, "`\n\x1b\u202e") {
			t.Errorf("%q is %q", name, got)
		}
		out, err := exec.CommandContext(t.Context(), "bash", "-c", "printf %s "+got).Output()
		if name, _, _ := strings.Cut(name, "\x00"); err != nil || !bytes.HasPrefix(out, []byte(name)) || len(name) == len(out) && string(out) != name {
			t.Errorf("%q arrives as %q: %v", name, out, err)
		}
	}
	if got := incident.AccountCommand("hangup", "-x"); got != "`tollwarden hangup -- -x`" {
		t.Error(got)
	}
	if got := incident.AccountCommand("rotate", "-x", "--expire"); got != "`tollwarden rotate --expire -- -x`" {
		t.Error(got)
	}
	if got := incident.AccountCommand("trust", "10 06", "192.0.2.66"); got != "`tollwarden trust '10 06' 192.0.2.66`" {
		t.Error(got)
	}
}
