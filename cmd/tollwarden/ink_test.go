package main

import (
	"bytes"
	"testing"
)

// Colours take no part in the alignment, and hostile text brings none of its
// own.
func TestTableInColour(t *testing.T) {
	var b bytes.Buffer
	tab := newTable(&b, "STEP", "STATE", "DETAIL")
	tab.row("ban", "done", "until \x1b[31mevil\nline")
	tab.row("remove-registrations", "failed", "é")
	tab.ink = true
	tab.flush()
	want := "\x1b[1mSTEP\x1b[0m             \x1b[1mSTATE\x1b[0m   \x1b[1mDETAIL\x1b[0m\n" +
		"ban              \x1b[32mdone\x1b[0m    until \\x1b[31mevil\\nline\n" +
		"remove-registrations  \x1b[31mfailed\x1b[0m  é\n"
	if b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
	if inkFor(&b) {
		t.Error("a buffer is taken for a terminal")
	}
}
