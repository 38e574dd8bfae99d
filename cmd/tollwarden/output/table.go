package output

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table prints aligned columns under a heading, in color on a terminal.
type Table struct {
	w     io.Writer
	color Color
	rows  [][]string
}

// NewTable begins a table.
func NewTable(w io.Writer, heading ...string) *Table {
	return &Table{w: w, color: ColorFor(w), rows: [][]string{heading}}
}

// Row adds a row. Its cells may be text from the network.
func (t *Table) Row(cells ...string) {
	for i, c := range cells {
		cells[i] = Plain(c)
	}
	t.rows = append(t.rows, cells)
}

// Flush prints the rows. The last column is not padded.
func (t *Table) Flush() {
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
	if len(t.rows) == 1 {
		defer func() { _, _ = io.WriteString(t.w, "(none)\n") }()
	}
	for n, row := range t.rows {
		for i, c := range row {
			pad := ""
			if i < len(row)-1 {
				pad = strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2)
			}
			if n == 0 {
				c = t.color.Bold(c)
			} else {
				c = t.color.State(c)
			}
			text.WriteString(c + pad)
		}
		text.WriteByte('\n')
	}
	_, _ = io.WriteString(t.w, text.String()) // a closed terminal is no failure of the command
	t.rows = nil
}
