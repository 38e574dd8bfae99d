package report

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// page escapes every value for its context (html/template). It contains no script
// and loads nothing from elsewhere.
var page = template.Must(template.New("page").Parse(pageText))

// HTML writes the report as one self-contained page.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }
