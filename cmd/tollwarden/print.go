package main

import (
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tollwarden/tollwarden/responder/report"
)

// printJSON writes v with indentation.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(report.JSON(w))
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints aligned columns under a heading, in colour on a terminal.
type table struct {
	w    io.Writer
	ink  ink
	rows [][]string
}

func newTable(w io.Writer, heading ...string) *table {
	return &table{w: w, ink: inkFor(w), rows: [][]string{heading}}
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = plain(c)
	}
	t.rows = append(t.rows, cells)
}

// flush prints the rows. The last column is not padded.
func (t *table) flush() {
	var width []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var text strings.Builder
	for n, row := range t.rows {
		for i, c := range row {
			pad := ""
			if i < len(row)-1 {
				pad = strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2)
			}
			if n == 0 {
				c = t.ink.bold(c)
			} else {
				c = t.ink.state(c)
			}
			text.WriteString(c + pad)
		}
		text.WriteByte('\n')
	}
	_, _ = io.WriteString(t.w, text.String()) // a terminal that is gone needs nothing
	t.rows = nil
}

// plain makes text from the network safe for a terminal.
func plain(s string) string { return report.Plain(s) }

// plainLines is plain for a text of ours that has several lines.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// until is the end of a ban in a table; the zero time is none.
func until(t time.Time) string {
	if t.IsZero() {
		return "released by hand"
	}
	return clock(t)
}

// untilWords is the end of a ban in a sentence; the zero time is none.
func untilWords(t time.Time) string {
	if t.IsZero() {
		return "until it is released"
	}
	return "until " + clock(t)
}
