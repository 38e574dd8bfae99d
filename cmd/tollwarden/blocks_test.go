package main

import "testing"

// A long reason is cut at a word.
func TestShortened(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"by hand":                     "by hand",
		"exactly twenty chars":        "exactly twenty chars",
		"a break-in: 4 failed":        "a break-in: 4 failed",
		"a break-in: 4 failed logins": "a break-in: 4…",
		"passwords; the break-in was": "passwords; the…",
		"aaaaaaaaaaaaaaaaaaaaaaaaa":   "aaaaaaaaaaaaaaaaaaa…",
		"ééééééééé, ééééééééééééé": "ééééééééé…",
	} {
		if got := shortened(text, 20); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
