package output

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/responder/report"
)

// JSON writes v with indentation.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(report.JSON(w))
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// JSONLines returns what writes each value as one line.
func JSONLines[T any](w io.Writer) func(T) error {
	enc := json.NewEncoder(report.JSON(w))
	return func(v T) error { return enc.Encode(v) }
}

// Plain makes text from the network safe for a terminal.
func Plain(s string) string { return report.Plain(s) }

// PlainLines is Plain for a text of several lines.
func PlainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Join lists values, separated by commas.
func Join[T any](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

// Indent indents every line of a text by two spaces.
func Indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// Time is a time in local time, to the second.
func Time(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// Until is the end of a ban in a table; the zero time is none.
func Until(t time.Time) string {
	if t.IsZero() {
		return "released by hand"
	}
	return Time(t)
}

// UntilWords is the end of a ban in a sentence; the zero time is none.
func UntilWords(t time.Time) string {
	if t.IsZero() {
		return "until it is released"
	}
	return "until " + Time(t)
}
