package month_test

import (
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/judge"
	"github.com/tollwarden/tollwarden/test/month"
)

func policy(t testing.TB, s month.Site) judge.Policy {
	t.Helper()
	cfg, err := config.Parse("site.toml", []byte("[asterisk]\nusername = \"u\"\nsecret = \"s\"\n"+s.Settings), config.Env{Signals: settings.Signals(), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	p, err := settings.Policy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMonth(t *testing.T) {
	for _, s := range month.Sites() {
		begun := time.Now()
		r, err := month.Play(s, policy(t, s), 173212848923239)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s %+v", s.Name, time.Since(begun), r)
		t.Logf("\n%s", month.Counts(r.Causes))
		for _, x := range r.Stories {
			t.Log(x)
		}
	}
}
