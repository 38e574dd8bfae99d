package replayview

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
)

// Print writes the view to a terminal.
func (v View) Print(w io.Writer) {
	fmt.Fprintln(w, v.Summary)
	for _, t := range v.Tables {
		fmt.Fprintf(w, "\n%s\n", t.Title)
		if t.Note != "" {
			fmt.Fprintln(w, t.Note)
		}
		heading := make([]string, len(t.Heading))
		for i, h := range t.Heading {
			heading[i] = strings.ToUpper(h)
		}
		out := output.NewTable(w, heading...)
		for _, row := range t.Rows {
			out.Row(row...)
		}
		out.Flush()
		if t.More != "" {
			fmt.Fprintln(w, t.More)
		}
	}
}

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("replay").Parse(page))

// HTML writes the view as one page that needs nothing else.
func (v View) HTML(w io.Writer) error {
	for _, t := range v.Tables {
		for _, row := range t.Rows {
			for i, cell := range row {
				row[i] = output.Plain(cell)
			}
		}
	}
	return pageTemplate.Execute(w, v)
}
