package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestWhereTheOperatorIsLoggedIn(t *testing.T) {
	for connection, want := range map[string]string{
		"203.0.113.5 51234 192.0.2.1 22":        "203.0.113.5",
		"::ffff:203.0.113.5 51234 192.0.2.1 22": "203.0.113.5",
		"fe80::1%eth0 51234 fe80::2%eth0 22":    "fe80::1",
		"":                                      "invalid IP",
		"nonsense":                              "invalid IP",
	} {
		if got := sshClient(connection).String(); got != want {
			t.Errorf("%q: %s, want %s", connection, got, want)
		}
	}
	if got := parentOf(os.Getpid()); got != os.Getppid() {
		t.Errorf("parent %d, want %d", got, os.Getppid())
	}
}

// sudo takes the variable away; the shell above still has it.
func TestOperatorBehindSudo(t *testing.T) {
	if os.Getenv("TOLLWARDEN_TEST_WHO") != "" {
		os.Stdout.WriteString("from " + operatorAddress().String() + "\n")
		return
	}
	cmd := exec.Command("/bin/sh", "-c", `env -u SSH_CONNECTION "$0" -test.run TestOperatorBehindSudo; true`, os.Args[0])
	cmd.Env = append(os.Environ(), "TOLLWARDEN_TEST_WHO=1", "SSH_CONNECTION=203.0.113.5 51234 192.0.2.1 22")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "from 203.0.113.5\n") {
		t.Errorf("%v: %s", err, out)
	}
}
