package output

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
)

// Color colors words, or leaves them alone if it is false.
type Color bool

// ColorFor is true for a terminal, unless NO_COLOR is set (no-color.org).
func ColorFor(w io.Writer) Color {
	f, ok := w.(*os.File)
	return Color(ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

// The colors are those of ECMA-48, which every terminal has.
func (c Color) paint(code, s string) string {
	if !c || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Bold prints s in bold.
func (c Color) Bold(s string) string { return c.paint("1", s) }

// State colors the words for good, bad and pending states, and leaves all others.
func (c Color) State(s string) string {
	switch s {
	case "ok", "done", "released", "ended":
		return c.paint("32", s)
	case "NOT OK", "degraded", "failed", "banned", "yes":
		return c.paint("31", s)
	case "skipped", "intended":
		return c.paint("33", s)
	}
	return s
}
