package people

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A name is one short line that is safe to print, whatever the configuration says.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"Front desk":                     "Front desk",
		"  Front \t desk ":               "Front desk",
		"Zoë Müller (Büro)":              "Zoë Müller (Büro)",
		"":                               "",
		"1006":                           "", // no name, only the account again
		"device":                         "", // FreePBX's chan_sip
		"Boss\x1b[2J\r\nRotated: 1001":   "Boss [2J Rotated: 1001",
		"desk \u202egnihtyna":            "desk gnihtyna",
		"bad \xff byte":                  "bad byte",
		strings.Repeat("ü", 60):          strings.Repeat("ü", 60),
		strings.Repeat("long ", 30):      strings.TrimSpace(strings.Repeat("long ", 12)[:59]) + "…",
		"<script>alert(\"x\")</script>":  "<script>alert(\"x\")</script>", // whoever writes HTML escapes it
		"\u0085\u2028\u200b\ufeff\u00a0": "",
	} {
		if got := NewDirectory([]Person{{Account: "1006", Name: name}}).Name("1006"); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// Only what is plainly an address gets mail.
func TestEmails(t *testing.T) {
	for name, c := range map[string]struct{ list, want []string }{
		"one":            {[]string{"desk@example.org"}, []string{"desk@example.org"}},
		"spaces around":  {[]string{" desk@example.org "}, []string{"desk@example.org"}},
		"display name":   {[]string{"Desk <desk@example.org>"}, nil},
		"header":         {[]string{"desk@example.org\r\nBcc: all@example.org"}, nil},
		"list in one":    {[]string{"a@example.org,b@example.org"}, nil},
		"no host":        {[]string{"desk"}, nil},
		"option":         {[]string{"-oQ/tmp"}, nil},
		"too long":       {[]string{strings.Repeat("a", 250) + "@example.org"}, nil},
		"the good ones":  {[]string{"x", "a@example.org", "b@example.org"}, []string{"a@example.org", "b@example.org"}},
		"no more than 3": {[]string{"a@b.c", "d@b.c", "e@b.c", "f@b.c"}, []string{"a@b.c", "d@b.c", "e@b.c"}},
	} {
		if got := NewDirectory([]Person{{Account: "1006", Emails: c.list}}).Emails("1006"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What comes first counts: the channel drivers' name, then the mailbox's.
func TestDirectory(t *testing.T) {
	d := NewDirectory([]Person{
		{Account: "1006", Name: "Front desk"},
		{Account: "1006", Name: "somebody else", Emails: []string{"desk@example.org"}},
		{Account: "1007", Name: "device"},
		{Account: "1007", Name: "Workshop"},
		{Account: "1008"},
	})
	got := fmt.Sprintf("%d %d %q %q %q %q", d.Len(), d.WithEmail(), d.Name("1006"), d.Emails("1006"), d.Name("1007"), d.Name("1008"))
	if want := `2 1 "Front desk" ["desk@example.org"] "Workshop" ""`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var nobody *Directory
	if nobody.Name("1006") != "" || nobody.Emails("1006") != nil || nobody.Len() != 0 || nobody.WithEmail() != 0 {
		t.Error("nil knows somebody")
	}
	for _, c := range [][3]string{{"1006", "Front desk", "1006 Front desk"}, {"1006", "", "1006"}, {"", "Front desk", ""}} {
		if got := Title(c[0], c[1]); got != c[2] {
			t.Errorf("%q %q: %q", c[0], c[1], got)
		}
	}
}

// A configuration of any size takes bounded memory.
func TestBoundedNumber(t *testing.T) {
	list := make([]Person, MaxPeople+10)
	for n := range list {
		list[n] = Person{Account: fmt.Sprint(n), Name: "x"}
	}
	list = append(list, Person{Account: "0", Emails: []string{"a@b.c"}}) // one who is known already
	if d := NewDirectory(list); d.Len() != MaxPeople || d.WithEmail() != 1 {
		t.Errorf("%d, %d", d.Len(), d.WithEmail())
	}
}

// Nothing that a configuration can hold breaks out of its line.
func FuzzClean(f *testing.F) {
	f.Add("Front desk", "desk@example.org")
	f.Add("a\x1b]0;x\a\u202e", "\"a b\"@example.org")
	f.Fuzz(func(t *testing.T, name, email string) {
		d := NewDirectory([]Person{{Account: "1006", Name: name, Emails: []string{email}}})
		if got := d.Name("1006"); utf8.RuneCountInString(got) > maxName || strings.IndexFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			t.Errorf("name %q", got)
		}
		for _, got := range d.Emails("1006") {
			if len(got) > maxEmail || strings.ContainsAny(got, " \t\r\n,;<>") && !strings.HasPrefix(got, `"`) {
				t.Errorf("address %q", got)
			}
		}
	})
}
