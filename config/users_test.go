package config_test

import (
	"strings"
	"testing"

	"github.com/tollwarden/tollwarden/config"
)

// Users get mail only if somebody said so, by which server, and whom they can ask.
func TestNotifyUsers(t *testing.T) {
	const login = "[asterisk]\nusername = \"t\"\nsecret = \"x\"\n"
	const mail = "[notify.mail]\nserver = \"127.0.0.1:25\"\nsecurity = \"none\"\nfrom = \"pbx@example.org\"\nto = [\"ops@example.org\"]\n"
	for name, c := range map[string]struct {
		text, want string
		on         bool
	}{
		"default":    {"", "", false},
		"on":         {mail + "[notify.users]\nmail = true\ncontact = \"the help desk\"\n", "", true},
		"no contact": {mail + "[notify.users]\nmail = true\n", "notify.users.contact: missing", false},
		"no server":  {"[notify.users]\nmail = true\ncontact = \"x\"\n", "needs notify.mail.server", false},
	} {
		cfg, err := config.Parse("t.toml", []byte(login+c.text), config.Env{Getenv: func(string) string { return "" }})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && cfg.Notify.Users.Mail != c.on {
			t.Errorf("%s: %+v", name, cfg.Notify.Users)
		}
	}
}
