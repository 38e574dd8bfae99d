package texts

import (
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"
)

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// Every language has the same texts with the same parameters, and forms for one and for
// several where English has them.
func TestLanguagesHaveTheSameTexts(t *testing.T) {
	parameters := func(s string) []string {
		list := parameter.FindAllString(s, -1)
		slices.Sort(list)
		return slices.DeleteFunc(slices.Compact(list), func(p string) bool { return p == "{n}" })
	}
	for code, l := range languages {
		for _, key := range slices.Sorted(maps.Keys(english.texts)) {
			want, got := english.texts[key], l.texts[key]
			switch {
			case got.one == "":
				t.Errorf("%s lacks %s", code, key)
			case (got.other == "") != (want.other == ""):
				t.Errorf("%s: %s has not the same forms", code, key)
			case key == "date.day": // each language orders a date its own way
			case !slices.Equal(parameters(got.one), parameters(want.one)), !slices.Equal(parameters(got.other), parameters(want.other)):
				t.Errorf("%s: %s has other parameters: %q, %q; want %q, %q", code, key, got.one, got.other, want.one, want.other)
			}
		}
		for key := range l.texts {
			if _, ok := english.texts[key]; !ok {
				t.Errorf("%s has %s, which English lacks", code, key)
			}
		}
	}
}

func TestSay(t *testing.T) {
	half := &Language{code: "xx", texts: map[string]text{"list.and": {one: "{names} & {last}"}}}
	for want, got := range map[string]string{
		"2,345 calls were made; {n}.": english.Say("lead.calls", "n", 2345, "answered", "{n}"), // a value is not searched
		"1 call was made; x.":         english.Say("lead.calls", "n", 1, "answered", "x"),
		"Es gab 2.345 Anrufe; x.":     languages["de"].Say("lead.calls", "n", 2345, "answered", "x"),
		"a & b":                       half.List([]string{"a", "b"}),
		"Blocked x y.":                half.Say("done.ban", "target", "x", "until", "y"), // in English
		"no.such.key":                 english.Say("no.such.key"),
		"STOPPED":                     (*Language)(nil).Say("urgency.stopped"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 4, 5, 0, time.UTC)
	de := languages["de"]
	for want, got := range map[string]string{
		"1,234,567":                english.Number(1234567),
		"-1.234":                   de.Number(-1234),
		"1,234 EUR":                english.Money(1234_400_000, "EUR"),
		"1.234 EUR":                de.Money(1234_400_000, "EUR"),
		"9.50 USD":                 english.Money(9_500_000, "USD"),
		"0,05 EUR":                 de.Money(50_000, "EUR"),
		"Sun 22 Nov 2026, 09:04":   english.Moment(at),
		"So, 22. November 2026":    de.Date(at),
		"1 min 2 s":                english.Duration(62*time.Second + 700*time.Millisecond),
		"less than 1 s":            english.Duration(0),
		"2 h 5 min":                de.Duration(125 * time.Minute),
		"3 Tage":                   de.Duration(73 * time.Hour),
		"less than 1 ms":           english.Reaction(210 * time.Microsecond),
		"190 ms":                   english.Reaction(190 * time.Millisecond),
		"3,2 s":                    de.Reaction(3200 * time.Millisecond),
		"Kuba":                     de.Country("CU"),
		"United Kingdom":           english.Country("GB"),
		"XX":                       english.Country("XX"),
		"a, b und c":               de.List([]string{"a", "b", "c"}),
		"1, 2, 3, 4, 5 and 2 more": english.List([]string{"1", "2", "3", "4", "5", "6", "7"}),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if english.Country("") != "" || english.List(nil) != "" {
		t.Error("nothing has words")
	}
}
