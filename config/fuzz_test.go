package config_test

import (
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/tollwarden/tollwarden/config"
)

// Whatever a file holds, Parse returns a configuration or errors of one line
// each that name the file.
func FuzzParse(f *testing.F) {
	old, err := os.ReadFile("testdata/old-reference.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(config.Reference))
	f.Add(string(old))
	f.Add(login)
	f.Add(login + "[bans]\nclaimed = \"1m\"\nspoofable = \"2m\"\n")
	f.Add(login + "[[playbook]]\nname = \"p\"\nsteps = [\"expire-contacts\", \"remove-registrations\"]\n")
	f.Add("bans.claimed = 5\nbans = { \"a\\nb\" = [1, 2.5, 2026-01-01], x.\"\" = inf }\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("f.toml", []byte(text), env)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
		if err == nil {
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "f.toml:") {
				t.Errorf("does not name the file: %q", line)
			}
			if i := strings.IndexFunc(line, unicode.IsControl); i >= 0 {
				t.Errorf("control character in %q", line)
			}
		}
	})
}
