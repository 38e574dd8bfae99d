package main

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// ink colours words on a terminal, and only there.
type ink bool

// inkFor is ink for a terminal, unless NO_COLOR is set (no-color.org).
func inkFor(w io.Writer) ink {
	f, ok := w.(*os.File)
	return ink(ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// The colours are those of ECMA-48, which every terminal has.
func (k ink) paint(code, s string) string {
	if !k || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (k ink) bold(s string) string { return k.paint("1", s) }

// state colours the words that say how something stands, and leaves all others.
func (k ink) state(s string) string {
	switch s {
	case "ok", "done", "released", "ended":
		return k.paint("32", s)
	case "NOT OK", "degraded", "failed", "banned", "yes":
		return k.paint("31", s)
	case "skipped", "intended":
		return k.paint("33", s)
	}
	return s
}
