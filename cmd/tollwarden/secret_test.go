package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx"
)

// Root sees the newest password, or has it written for a phone; nobody else does.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	store, conf, phones, template := filepath.Join(dir, "secrets"), filepath.Join(dir, "t.toml"), filepath.Join(dir, "phones"), filepath.Join(dir, "phone.cfg")
	if err := pbx.NewFileVault(store).Keep(pbx.Entry{At: time.Now(), Account: "1006", Secret: "newPassword23"}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		conf:     "[asterisk]\nusername = \"t\"\nsecret = \"ami\"\n[rotate]\nstore = \"" + store + "\"\n",
		template: "password = {{.Secret}}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(phones, 0o750); err != nil {
		t.Fatal(err)
	}
	real := geteuid
	defer func() { geteuid = real }()
	for name, c := range map[string]struct {
		uid              int
		args             string
		code             int
		out, err, notOut string
	}{
		"root":                {0, "1006", 0, "newPassword23\n", "set by Tollwarden at", ""},
		"JSON":                {0, "1006 --json", 0, `"secret": "newPassword23"`, "", ""},
		"somebody else":       {1000, "1006", 1, "", "only root", ""},
		"nothing known":       {0, "1007", 1, "", "tollwarden rotate 1007", ""},
		"for a phone":         {0, "1006 --provision " + phones + " --template " + template, 0, phones + "/1006.cfg", "", "newPassword23"},
		"no template":         {0, "1006 --provision " + phones, 2, "", "template", ""},
		"open folder":         {0, "1006 --provision /usr --template " + template, 1, "", "every user", ""},
		"no extension at all": {0, "", 2, "", "EXTENSION", ""},
	} {
		t.Run(name, func(t *testing.T) {
			geteuid = func() int { return c.uid }
			var out, err bytes.Buffer
			code := execute(t.Context(), append([]string{"secret", "-c", conf}, strings.Fields(c.args)...), &out, &err)
			if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(err.String(), c.err) || c.notOut != "" && strings.Contains(out.String(), c.notOut) {
				t.Errorf("exit code %d, %q, %q", code, out.String(), err.String())
			}
			if strings.Contains(err.String(), "newPassword23") {
				t.Errorf("the password is in an error: %s", err.String())
			}
		})
	}
	got, _ := os.ReadFile(filepath.Join(phones, "1006.cfg"))
	if string(got) != "password = newPassword23\n" {
		t.Errorf("the phone gets %q", got)
	}
}
