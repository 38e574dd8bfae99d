package edit

import (
	"strings"
	"testing"
)

// One key changes; comments, order and spacing stay.
func TestSet(t *testing.T) {
	for name, tt := range map[string]struct {
		text, key string
		value     any
		want      string
	}{
		"a value":         {"mode = \"observe\"   # for now\n", "mode", "enforce", "mode = \"enforce\"   # for now\n"},
		"without spaces":  {"mode=\"observe\"# x\n[a]\n", "mode", "enforce", "mode=\"enforce\"# x\n[a]\n"},
		"other case":      {"Mode = 'observe'\n", "mode", "enforce", "Mode = \"enforce\"\n"},
		"no line end":     {"mode = \"observe\"", "mode", "enforce", "mode = \"enforce\""},
		"Windows":         {"a = 1\r\n[b]\r\nc = 2 # x\r\n", "b.d", "x", "a = 1\r\n[b]\r\nc = 2 # x\r\nd = \"x\"\r\n"},
		"in a table":      {"[calls]\ncountry = \"GB\" # us\n", "calls.country", "DE", "[calls]\ncountry = \"DE\" # us\n"},
		"dotted":          {"calls.country = \"GB\"\n", "calls.country", "DE", "calls.country = \"DE\"\n"},
		"dotted, quoted":  {"\"calls\" . 'country' = \"GB\"\n", "calls.country", "DE", "\"calls\" . 'country' = \"DE\"\n"},
		"not a comment":   {"a = \"mode = # no\"\n# mode = 1\nb = '''\nmode = \"x\"\n'''\nmode = \"y\"\n", "mode", "z", "a = \"mode = # no\"\n# mode = 1\nb = '''\nmode = \"x\"\n'''\nmode = \"z\"\n"},
		"another table's": {"[a]\nmode = 1\n[b]\nmode = 2\n", "b.mode", 3, "[a]\nmode = 1\n[b]\nmode = 3\n"},
		"a list":          {"allow = [\n  \"a\",\n  \"b\" ]\n", "allow", []string{"c"}, "allow = [\"c\"]\n"},

		"new, at the top":        {"# ours\nmode = 1 # x\n\n# the rest\n[a]\n", "data", "/d", "# ours\nmode = 1 # x\ndata = \"/d\"\n\n# the rest\n[a]\n"},
		"new, above a table":     {"# ours\n\n# a\n[a]\n", "mode", "x", "# ours\n\nmode = \"x\"\n# a\n[a]\n"},
		"new, in an empty text":  {"", "mode", "x", "mode = \"x\"\n"},
		"new, a table":           {"a = 1", "calls.country", "DE", "a = 1\n\n[calls]\ncountry = \"DE\"\n"},
		"new, the only table":    {"", "calls.country", "DE", "[calls]\ncountry = \"DE\"\n"},
		"new, in a table":        {"[calls]\n  hours = 1 # x\n\n# next\n[b]\nc = 1\n", "calls.country", "DE", "[calls]\n  hours = 1 # x\n  country = \"DE\"\n\n# next\n[b]\nc = 1\n"},
		"new, in an empty one":   {"[calls] # x\n[b]\n", "calls.country", "DE", "[calls] # x\ncountry = \"DE\"\n[b]\n"},
		"new, at the end":        {"[calls]\nhours = 1", "calls.country", "DE", "[calls]\nhours = 1\ncountry = \"DE\"\n"},
		"new, dotted":            {"calls.hours = 1\nmode = 2\n[a]\n", "calls.country", "DE", "calls.hours = 1\ncalls.country = \"DE\"\nmode = 2\n[a]\n"},
		"new, above its own":     {"[calls.budget]\na = 1\n", "calls.country", "DE", "[calls.budget]\na = 1\n\n[calls]\ncountry = \"DE\"\n"},
		"new, behind thresholds": {"[[threshold]]\nname = 1\n[[threshold]]\nname = 2\n", "calls.country", "DE", "[[threshold]]\nname = 1\n[[threshold]]\nname = 2\n\n[calls]\ncountry = \"DE\"\n"},
		"above thresholds":       {"[[threshold]]\nmode = 1\n", "mode", "x", "mode = \"x\"\n[[threshold]]\nmode = 1\n"},

		"list, one more": {
			"allow = [ # what is never banned\n  \"a\", # the office\n  \"b\" # the other\n]\n", "allow",
			[]string{"a", "b", "c"},
			"allow = [ # what is never banned\n  \"a\", # the office\n  \"b\", # the other\n  \"c\",\n]\n",
		},
		"list, one less": {
			"allow = [\n  \"a\", # the office\n  \"b\", # the other\n]\n", "allow",
			[]string{"b"},
			"allow = [\n  \"b\", # the other\n]\n",
		},
		"list, another": {
			"allow = [\n  # old\n  \"a\",\n]\n", "allow",
			[]string{"b"},
			"allow = [\n    \"b\",\n  # old\n]\n",
		},
		"a long list": {"", "x", []string{strings.Repeat("a", 60), strings.Repeat("b", 60)}, "x = [\n    \"" + strings.Repeat("a", 60) + "\",\n    \"" + strings.Repeat("b", 60) + "\",\n]\n"},
		"numbers":     {"x = [ 1 ] # ports\n", "x", []int{5060, 5061}, "x = [5060, 5061] # ports\n"},
		"escapes":     {"", "x", "a\"b\\c\n\x7f", "x = \"a\\\"b\\\\c\\u000A\\u007F\"\n"},
		"a mark":      {"\ufeffa = 1\n", "b", true, "\ufeffa = 1\nb = true\n"},
	} {
		got, err := Set([]byte(tt.text), tt.key, tt.value)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%q, want\n%q", name, err, got, tt.want)
		}
	}
}

// What cannot be changed for certain is refused, with the line.
func TestSetRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		text, key string
		value     any
		want      string
	}{
		"an inline table":       {"a = 1\ncalls = { country = \"GB\" }\n", "calls.country", "DE", "line 2: calls is written in one line"},
		"a new key in one":      {"calls = { }\n", "calls.country", "DE", "line 1: calls is written in one line"},
		"a list of tables":      {"[[threshold]]\nname = \"a\"\n", "threshold.name", "b", "line 1: [[threshold]] is a list of tables"},
		"a table":               {"[calls]\ncountry = \"GB\"\n", "calls", "x", "line 1: calls is a table"},
		"an invalid text":       {"mode = \n", "mode", "x", "not valid"},
		"a key of another kind": {"", "calls.a b", "x", "want a key such as"},
		"a value of another":    {"", "x", 1.5, "float64"},
		"one element of a line": {"x = [\n\"a\", \"b\", # two\n]\n", "x", []string{"a"}, "line 1: the list has comments"},
		"not UTF-8":             {"", "x", "\xff", "not valid UTF-8"},
	} {
		if got, err := Set([]byte(tt.text), tt.key, tt.value); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
	}
}

func TestRemove(t *testing.T) {
	for text, want := range map[string]string{
		"a = 1\nmode = 2 # x\n[b]\n": "a = 1\n[b]\n",
		"a = 1\n":                    "a = 1\n",
		"mode = [\n1, # x\n2]\nb=1":  "b=1",
	} {
		if got, err := Remove([]byte(text), "mode"); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := Remove([]byte("calls = { country = 1 }\n"), "calls.country"); err == nil {
		t.Error("a key of an inline table was removed")
	}
}

// Whatever a text holds, an edit changes the one key, or refuses.
func FuzzSet(f *testing.F) {
	f.Add("mode = \"observe\" # x\n[calls]\ncountry = \"GB\"\n", "mode", "enforce")
	f.Add("[[a]]\nb = 1\n[a.c]\nd = [ { e = 1 }, # x\n]\n", "calls.country", "DE")
	f.Add("a.b = '''x'''''\nc = \"\"\"\n\\\"\"\"\"\n", "a.c", "\x00")
	f.Add("calls.x = 1979-05-27 07:32:00 # y\r\n", "calls.country", "ü")
	f.Fuzz(func(t *testing.T, text, key, value string) {
		got, err := Set([]byte(text), key, value)
		if err != nil {
			return
		}
		again, err := Set(got, key, value)
		if err != nil || string(again) != string(got) {
			t.Errorf("a second time: %v\n%q\n%q", err, got, again)
		}
		if _, err := Set([]byte(text), key, []string{value, "x"}); err != nil {
			return
		}
		if without, err := Remove(got, key); err == nil && string(without) == string(got) {
			t.Errorf("not removed from %q", got)
		}
	})
}
