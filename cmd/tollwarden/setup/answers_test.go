package setup

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A file of answers is read as it is printed, and what is wrong in it is named, all at once.
func TestReadAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers.toml")
	a := Answers{"offices": {"198.51.100.7", "home.example.org"}, "country": {"GB"}, "sip_ports": {"5060"}}
	put(t, path, a.Text())
	got, err := ReadAnswers(path)
	if err != nil || got.one("country") != "GB" || !slices.Equal(got["offices"], a["offices"]) || !slices.Equal(got["sip_ports"], a["sip_ports"]) || len(got) != len(questions) {
		t.Errorf("%v, %v", got, err)
	}
	put(t, path, "contry = \"GB\"\nnonsense = 1\nhours = { a = 1 }\nmode = [\"watch\", \"protect\"]\nsip_ports = [5060]\nstart = true\n")
	_, err = ReadAnswers(path)
	for _, want := range []string{
		"contry: there is no such question: did you mean country?", "nonsense: there is no such question: `tollwarden setup --print-answers` lists them",
		"hours: want text in quotes", "mode: want one answer, not 2",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := ReadAnswers(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
}

// The example in the documentation has every answer.
func TestAnswersInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../../docs/setup.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```toml\n")
	example, _, _ = strings.Cut(example, "```")
	path := filepath.Join(t.TempDir(), "answers.toml")
	put(t, path, example)
	a, err := ReadAnswers(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, q := range questions {
		want = append(want, q.key)
	}
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(a))); d != "" {
		t.Error(d)
	}
	s, _ := newSetup(t, "")
	if _, err := s.interview(&site{takesMail: true}, a, nil); err != nil {
		t.Errorf("an answer is refused: %v", err)
	}
}

// What fail2ban, logger.conf and guest calls look like, and what is made of them.
func TestLogFiles(t *testing.T) {
	for text, want := range map[string]struct {
		best     string
		complete bool
	}{
		"[logfiles]\nmessages => notice,warning,error\nsecurity => security\n": {"/var/log/asterisk/messages", false},
		"[logfiles]\nmessages => notice,warning,error\nall => *\n":             {"/var/log/asterisk/all", true},
		"[logfiles]\nfull => [json]NOTICE, warning,security,verbose(3)\n":      {"/var/log/asterisk/full", true},
		"[logfiles]\n;messages => notice,warning\nconsole => notice,warning\n": {"", false},
		"[logfiles]\nsyslog.local0 => notice,warning\n/x/y = notice\n":         {"/x/y", false},
		"": {"", false},
	} {
		etc := t.TempDir()
		put(t, filepath.Join(etc, "logger.conf"), text)
		_, list := logFiles(etc)
		if best, complete := bestLog(list); best.path != want.best || complete != want.complete {
			t.Errorf("%q: %+v, %t", text, best, complete)
		}
	}
}

func TestGuestCalls(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		guest bool
	}{
		"none":              {nil, false},
		"chan_sip, default": {map[string]string{"sip.conf": "[general]\n"}, true},
		"chan_sip, refused": {map[string]string{"sip.conf": "[general]\nallowguest = No\n"}, false},
		"PJSIP":             {map[string]string{"pjsip.conf": "[anonymous]\ntype = endpoint\n"}, true},
		"PJSIP, a template": {map[string]string{"pjsip.conf": "[anonymous]\ntype = aor\n"}, false},
	} {
		etc := t.TempDir()
		for file, text := range c.files {
			put(t, filepath.Join(etc, file), text)
		}
		if how, off := guestCalls(etc, false); (how != "") != c.guest || (off != "") != c.guest {
			t.Errorf("%s: %q, %q", name, how, off)
		}
	}
}
