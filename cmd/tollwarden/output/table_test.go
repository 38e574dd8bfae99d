package output

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Colors do not disturb the alignment, and hostile text brings none of its own.
func TestTableInColor(t *testing.T) {
	var b bytes.Buffer
	tab := NewTable(&b, "STEP", "STATE", "DETAIL")
	tab.Row("ban", "done", "until \x1b[31mevil\nline")
	tab.Row("remove-registrations", "failed", "é")
	tab.color = true
	tab.Flush()
	want := "\x1b[1mSTEP\x1b[0m                  \x1b[1mSTATE\x1b[0m   \x1b[1mDETAIL\x1b[0m\n" +
		"ban                   \x1b[32mdone\x1b[0m    until \\x1b[31mevil\\nline\n" +
		"remove-registrations  \x1b[31mfailed\x1b[0m  é\n"
	if b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
	if ColorFor(&b) {
		t.Error("a buffer is taken for a terminal")
	}
}

func TestStateColors(t *testing.T) {
	for word, code := range map[string]string{"ok": "32", "done": "32", "NOT OK": "31", "banned": "31", "skipped": "33", "intended": "33"} {
		if got, want := Color(true).State(word), "\x1b["+code+"m"+word+"\x1b[0m"; got != want {
			t.Errorf("%q is %q, want %q", word, got, want)
		}
		if got := Color(false).State(word); got != word {
			t.Errorf("without color %q is %q", word, got)
		}
	}
	for _, word := range []string{"", "oddly", "okay"} {
		if got := Color(true).State(word); got != word {
			t.Errorf("%q is %q", word, got)
		}
	}
}

func TestText(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 0, time.Local)
	for got, want := range map[string]string{
		Until(time.Time{}):              "released by hand",
		Until(at):                       "2026-11-22 03:04:05",
		UntilWords(time.Time{}):         "until it is released",
		UntilWords(at):                  "until 2026-11-22 03:04:05",
		PlainLines("a\x1b[2J\nb\r"):     "a\\x1b[2J\nb\\r",
		Indent("\n[user]\nread = no\n"): "  [user]\n  read = no",
		Join([]int{1, 2}):               "1, 2",
		Join[string](nil):               "",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	type row struct {
		Reason string `json:"reason"`
	}
	var whole, lines strings.Builder
	if err := JSON(&whole, row{"é b"}); err != nil || whole.String() != "{\n  \"reason\": \"é b\"\n}\n" {
		t.Errorf("%v: %q", err, whole.String())
	}
	write := JSONLines[row](&lines)
	for _, r := range []string{"a", "b"} {
		if err := write(row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if lines.String() != "{\"reason\":\"a\"}\n{\"reason\":\"b\"}\n" {
		t.Errorf("%q", lines.String())
	}
}

// An empty list says that it is empty.
func TestEmptyTable(t *testing.T) {
	var b bytes.Buffer
	NewTable(&b, "ID", "WHO").Flush()
	if got := b.String(); got != "ID  WHO\n(none)\n" {
		t.Errorf("%q", got)
	}
}
