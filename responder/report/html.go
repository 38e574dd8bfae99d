package report

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// page escapes every value by its place (html/template); it holds no script and
// asks for nothing from elsewhere.
var page = template.Must(template.New("page").Parse(pageText))

// HTML writes the report as one page that needs nothing else.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }
