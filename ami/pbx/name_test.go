package pbx

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, name := range []string{"1002", "front-desk", "sales.2+a", "jürgen", "u@example.com", "a_b~c", strings.Repeat("9", 80)} {
		if err := checkName(name); err != nil {
			t.Errorf("%q refused: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "a b", "a\tb", "a\r\nAction: Originate", "a;b", `a"b`, "a'b", "a/b", "a|b", "a[b", "a]b", "a(b", "a{2}", `a\b`, "a,b", "a=b",
		"a\x00b", "a\xffb", "-a", "#a", "a\u2028b", strings.Repeat("9", 81),
	} {
		if err := checkName(name); !errors.Is(err, ErrUnsafeName) {
			t.Errorf("%q accepted: %v", name, err)
		}
	}
}

// A name in a regular expression must match itself and nothing else; grep -E is
// the C library's own POSIX ERE, as Asterisk's is.
func TestQuotedNameMatchesOnlyItself(t *testing.T) {
	grep, err := exec.LookPath("grep")
	if err != nil {
		t.Skip("needs grep")
	}
	matches := func(pattern, line string) bool {
		cmd := exec.Command(grep, "-Eq", "--", pattern)
		cmd.Stdin = strings.NewReader(line + "\n")
		return cmd.Run() == nil
	}
	for _, c := range []struct{ name, other string }{
		{"1002", "1003"}, {"10.2", "1002"}, {"a+", "aa"}, {"a*", "aa"}, {"$1", "1"}, {"a!b", "ab"}, {"f-d", "f_d"}, {"a%b&c", "ab"}, {"jürgen", "jurgen"},
	} {
		for how, quote := range map[string]func(string) string{"ERE": quoteERE, "CLI": quoteERECommand} {
			p := "^(PJSIP|SIP)/" + quote(c.name) + "-[0-9a-f]{8}$"
			if !matches(p, "PJSIP/"+c.name+"-0000002a") {
				t.Errorf("%s: %s does not match %q", how, p, c.name)
			}
			for _, other := range []string{c.other, "x" + c.name, c.name + "-1"} {
				if matches(p, "PJSIP/"+other+"-0000002a") {
					t.Errorf("%s: %s matches %q", how, p, other)
				}
			}
		}
	}
}
