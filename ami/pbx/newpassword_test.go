package pbx

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What is added to a file can be read back and taken out again, and only that.
func TestNewPasswordInAFile(t *testing.T) {
	const persons = "[1001-auth](+type=auth)\nusername = boss ; mine"
	stored := time.Date(2026, 11, 30, 19, 0, 0, 0, time.UTC)
	a := newPassword{account: "1002", section: "1002-auth", kind: "auth", name: "password", value: "fresh", was: "ab12", stored: stored}
	b := newPassword{account: "front desk", section: "front;desk", name: "secret", value: "other", was: "cd34"}
	text := withNewPassword(withNewPassword([]byte(persons), a), b)
	if d := cmp.Diff([]newPassword{a, b}, newPasswords(text), cmp.AllowUnexported(newPassword{})); d != "" {
		t.Error(d)
	}
	again := a
	again.value, again.stored = "fresher", time.Time{}
	text = withNewPassword(text, again)
	if d := cmp.Diff([]newPassword{b, again}, newPasswords(text), cmp.AllowUnexported(newPassword{})); d != "" {
		t.Errorf("a second password of one account: %s", d)
	}
	for _, p := range []newPassword{{section: "1002-auth", kind: "auth"}, {section: "front;desk"}, {section: "nobody"}} {
		text = withNewPassword(text, p)
	}
	if got := string(text); got != persons+"\n" {
		t.Errorf("what a person wrote came out as %q", got)
	}
	mangled := strings.Replace(string(withNewPassword(nil, a)), "password = fresh", "; password = fresh", 1)
	if got := newPasswords([]byte(mangled)); len(got) != 0 {
		t.Errorf("what a person changed is taken for ours: %+v", got)
	}
}

// What becomes of a new password depends on what the generated file says, and since when.
func TestDue(t *testing.T) {
	now := time.Date(2026, 11, 30, 19, 0, 0, 0, time.UTC)
	p := newPassword{value: "fresh"}
	p.was = p.fingerprint("stolen")
	stored := p
	stored.stored = now.Add(-time.Hour)
	for name, c := range map[string]struct {
		p         newPassword
		generated string
		written   time.Duration // ago
		want      due
	}{
		"nobody pressed Apply Config":            {stored, "stolen", 2 * time.Hour, dueNothing},
		"Apply Config was pressed":               {stored, "fresh", time.Minute, dueRemove},
		"and just now":                           {stored, "fresh", 0, dueRemove},
		"a person chose another":                 {stored, "mine", time.Minute, dueYield},
		"and the file is still being written":    {stored, "mine", time.Second, dueNothing},
		"the extension was deleted":              {stored, "", time.Minute, dueYield},
		"the file is empty for a moment":         {stored, "", 0, dueNothing},
		"an old database was restored":           {stored, "stolen", time.Minute, dueStore},
		"the database was down":                  {p, "stolen", 2 * time.Hour, dueStore},
		"and a person chose another meanwhile":   {p, "mine", time.Minute, dueYield},
		"the clock was set back":                 {stored, "mine", -time.Hour, dueYield},
		"and a person typed the new one by hand": {p, "fresh", time.Minute, dueRemove},
	} {
		if got := c.p.due(c.generated, now.Add(-c.written), now); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Whatever a file holds, what is added comes back, and taking it out leaves the rest.
func FuzzNewPassword(f *testing.F) {
	f.Add([]byte("[1002](+)\nsecret=x\n"), "1002", "fresh")
	f.Add([]byte(newPasswordMark+"account=x\n[x]\nsecret = 1"), "x;y", "a b")
	f.Fuzz(func(t *testing.T, text []byte, section, value string) {
		if strings.ContainsAny(section+value, "\r\n[]();\\\x00=") || section == "" || strings.TrimSpace(section) != section || value == "" || strings.TrimSpace(value) != value ||
			strings.HasPrefix(value, ">") || len(newPasswords(text)) > 0 {
			return
		}
		p := newPassword{account: section, section: section, kind: "auth", name: "password", value: value, was: "ab"}
		added := withNewPassword(text, p)
		found := newPasswords(added)
		if len(found) == 0 || found[len(found)-1] != p {
			t.Fatalf("%+v came back as %+v", p, found)
		}
		rest := string(withNewPassword(added, newPassword{section: section, kind: "auth"}))
		if want := string(text); rest != want && rest != want+"\n" {
			t.Fatalf("%q became %q", want, rest)
		}
	})
}
