package config

import (
	"strings"
	"testing"
)

// A value that is nearly right, or right in other words, brings the one that was meant; and no
// error speaks of Go's types.
func TestMeant(t *testing.T) {
	names := map[string]string{"DE": "Germany", "GB": "United Kingdom", "FR": "France", "CH": "Switzerland"}
	env := Env{
		Signals:     []string{"InvalidPassword", "InvalidAccountID"},
		CountryName: func(code string) string { return names[code] },
		Getenv:      func(string) string { return "s" },
	}
	threshold := func(per, signal, playbook string) string {
		return "[[threshold]]\nname = \"a\"\nper = \"" + per + "\"\nsignals = { " + signal + " = 1 }\nscore = 3\nwithin = \"1h\"\nplaybook = \"" + playbook + "\"\n[[playbook]]\nname = \"block\"\nsteps = [\"ban\"]\n"
	}
	for text, want := range map[string]string{
		`mode = "enforc"`:                                       `did you mean "enforce"?`,
		`mode = "Observe"`:                                      `did you mean "observe"?`,
		`mode = observe`:                                        `text needs quotes, such as "observe"`,
		`mode = 5`:                                              `want text in quotes, not a number`,
		`data = 2026-01-02`:                                     `want text in quotes, not a date`,
		`asterisk = "x"`:                                        `asterisk: want a table, not text in quotes`,
		"[[bans]]\nladder = [\"1h\"]":                           `bans: want a table, not `,
		"[rotate]\nmethod = \"pjsip_file\"":                     `did you mean "pjsip-file"?`,
		"[bans]\nscope = \"asteriks\"":                          `did you mean "asterisk"?`,
		"[calls]\ncountry = \"UK\"":                             `did you mean "GB"?`,
		"[calls]\ncountry = \"de\"":                             `did you mean "DE"?`,
		"[calls]\ncountry = \"Germany\"":                        `did you mean "DE"?`,
		"[calls]\ncountry = \"switzerlnd\"":                     `did you mean "CH"?`,
		"[calls]\ndeny = [\"premiun\"]":                         `did you mean "premium"?`,
		"[calls]\ndeny = [\"France\"]":                          `did you mean "FR"?`,
		"[calls]\ntimezone = \"Berlin\"":                        `did you mean "Europe/Berlin"?`,
		"[notify.mail]\nsecurity = \"ssl\"":                     `did you mean "tls"?`,
		"[asterisk]\nadress = \"x\"":                            `did you mean asterisk.address?`,
		threshold("ip", "InvalidPassword", "block"):             `did you mean "source"?`,
		threshold("acount", "InvalidPassword", "block"):         `did you mean "account"?`,
		threshold("source", "InvalidPasword", "block"):          `there is no signal "InvalidPasword"; did you mean "InvalidPassword"?`,
		threshold("source", "InvalidPassword", "blok"):          `did you mean "block"?`,
		"[[playbook]]\nname = \"x\"\nsteps = [\"hangup_call\"]": `did you mean "hangup-call"?`,
		"[[playbook]]\nname = \"x\"\nsteps = [\"bann\"]":        `did you mean "ban"?`,
	} {
		_, err := Parse("t.toml", []byte(text), env)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %q", text, err, want)
			continue
		}
		for _, word := range []string{"struct", "interface", "map[", "time.", "[]"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s\n%v: speaks of %s", text, err, word)
			}
		}
	}
	for _, text := range []string{`mode = "x"`, "[calls]\ncountry = \"Atlantis\"", "[rotate]\nmethod = \"something\""} {
		if _, err := Parse("t.toml", []byte(text), env); err == nil || strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
