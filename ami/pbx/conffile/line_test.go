package conffile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const conf = "\xef\xbb\xbf; phones\n" +
	"[shared](!)\ntype=auth\npassword = tpl ; shared\n" +
	"[1002](shared,phone)\n" +
	"username => 1002\n" +
	";password = no\n" +
	";-- password = no\n[1003]\npassword = no --;\n" +
	"password = a\\;b  ; the remark\n" +
	";--- not a block\n" +
	"\n" +
	"[1002](+)\nmax = 1\n" +
	"#include <more.conf>\n#tryinclude\t\"x/*.conf\"\n#exec /bin/true\n" +
	"[1004]\r\ntype = auth\r\npassword = \r\n[last]"

func TestParse(t *testing.T) {
	var got []string
	for _, l := range Parse([]byte(conf)) {
		switch l.Kind {
		case Header:
			got = append(got, "["+l.Name+"] "+strings.Join(l.Options, ","))
		case Variable:
			got = append(got, l.Name+"="+l.Value)
		case Include:
			got = append(got, "#"+l.Name+" "+l.Value)
		}
	}
	want := []string{
		"[shared] !", "type=auth", "password=tpl", "[1002] shared,phone", "username=1002", "password=a;b",
		"[1002] +", "max=1", "#include more.conf", "#tryinclude x/*.conf", "#exec /bin/true", "[1004] ", "type=auth", "password=", "[last] ",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSetVariableChangesOneLine(t *testing.T) {
	for _, c := range []struct{ section, name, old, replace, by string }{
		{"1002", "password", "a;b", "password = a\\;b  ; the remark\n", "password = NEW  ; the remark\n"},
		{"1002", "secret", "", "password = a\\;b  ; the remark\n", "password = a\\;b  ; the remark\nsecret = NEW\n"},
		{"1002", "password", "tpl", "password = a\\;b  ; the remark\n", "password = a\\;b  ; the remark\npassword = NEW\n"}, // inherited: its own line after
		{"1004", "PASSWORD", "", "password = \r\n", "PASSWORD = NEW\r\n"},
		{"last", "password", "", "[last]", "[last]\npassword = NEW\n"},
	} {
		lines := Parse([]byte(conf))
		got := SetVariable([]byte(conf), Sections(lines, c.section)[0], c.name, c.old, "NEW")
		i := strings.LastIndex(conf, c.replace)
		want := conf[:i] + c.by + conf[i+len(c.replace):]
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("[%s] %s: %s", c.section, c.name, d)
		}
	}
}

// Whatever the text, setting a variable changes the value in force in that
// section, by one line, and nothing that another section says.
func FuzzSetVariable(f *testing.F) {
	f.Add([]byte(conf))
	f.Add([]byte("[a]\npassword=x;--\n--;[a](+)\n\\password=y"))
	f.Add([]byte("[1002]\r\n;--;--\n--;\npassword=1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return
		}
		lines := Parse(text)
		at := 0
		for i, l := range lines {
			if l.start > l.code || l.code > l.end || i > 0 && l.start != lines[i-1].end {
				t.Fatalf("line %d: %+v", i, l)
			}
		}
		if len(lines) > 0 && lines[len(lines)-1].end != len(text) {
			t.Fatal("text is left over")
		}
		for i, l := range lines {
			if l.Kind != Header {
				continue
			}
			at = i
			s := Sections(lines, l.Name)[0]
			if s.First != at {
				continue
			}
			out := SetVariable(text, s, "tw_new", "", "value")
			again := Parse(out)
			if openComment(text) {
				continue // the line is put into a comment that never ends; the check by Asterisk finds it
			}
			ns := Sections(again, l.Name)
			if len(ns) == 0 {
				t.Fatalf("section %q is gone from %q", l.Name, out)
			}
			if v := ns[0].Values(again, "tw_new"); len(v) == 0 || v[len(v)-1] != "value" {
				t.Fatalf("section %q of %q holds %q", l.Name, out, v)
			}
			if len(out) > len(text)+len("tw_new = value\r\n\r\n") || !bytes.HasPrefix(out, text[:l.start]) {
				t.Fatalf("more than a line changed in %q", out)
			}
		}
	})
}

// openComment reports whether a ;-- comment of the text spans lines.
func openComment(text []byte) bool {
	depth := 0
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if stripComments(bytes.TrimRight(line, "\r"), &depth); depth != 0 {
			return true
		}
	}
	return false
}
