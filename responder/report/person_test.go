package report_test

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/responder/report"
)

// The report names the person, commands in it only the account. A name cannot break out of
// its line.
func TestReportNamesThePerson(t *testing.T) {
	i := breakIn()
	for name, want := range map[string]string{"Front desk": " Front desk", "Boss\x1b[2J\nx": ` Boss\x1b[2J\nx`, "": ""} {
		i.Name = name
		got := words(t, i)
		for _, line := range []string{"Break-in on extension " + report.Plain(i.Account) + want + "; stopped", "signed in as extension " + report.Plain(i.Account) + want + " with the right", "the phones of " + report.Plain(i.Account) + want + " their new"} {
			if !strings.Contains(got, line) {
				t.Errorf("%q: no %q in:\n%s", name, line, got)
			}
		}
		for _, command := range strings.Split(got, "`")[1:] {
			if strings.HasPrefix(command, "tollwarden") && name != "" && strings.Contains(command, name) {
				t.Errorf("a command has the name: %s", command)
			}
		}
	}
}
