package pbx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example runs a shipped hook with a psql that records its input and gives a fixed answer.
func example(t *testing.T, account, secret, answer string) (said string, err error) {
	t.Helper()
	path, err := filepath.Abs("../../packaging/examples/rotate-postgresql")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + bin + "/told\ncat >>" + bin + "/told\nprintf '" + answer + "'\n"
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	err = Hook{Command: []string{path, "asterisk"}}.run(t.Context(), account, secret)
	told, _ := os.ReadFile(filepath.Join(bin, "told"))
	return string(told), err
}

// The shipped example changes one row, or says that it did not.
func TestShippedHook(t *testing.T) {
	said, err := example(t, "1002", "fresh23", "1002\\n")
	if err != nil || !strings.Contains(said, "UPDATE ps_auths SET password = 'fresh23' WHERE id = '1002' RETURNING id;") || !strings.Contains(said, "-d\nasterisk\n") {
		t.Errorf("%q, %v", said, err)
	}
	for name, c := range map[string]struct{ account, secret, answer string }{
		"no such row":     {"1002", "fresh23", ""},
		"two rows":        {"1002", "fresh23", "1002\\n1002\\n"},
		"a quote":         {"1002' OR ''='", "fresh23", "1002\\n"},
		"an odd password": {"1002", "a'b", "1002\\n"},
		"no account":      {"", "fresh23", "\\n"},
	} {
		if said, err := example(t, c.account, c.secret, c.answer); err == nil {
			t.Errorf("%s: done: %q", name, said)
		}
	}
}
