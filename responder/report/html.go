package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

// page escapes every value for its context (html/template). It contains no script
// and loads nothing from elsewhere.
var page = template.Must(template.New("page").Funcs(template.FuncMap{"pieces": pieces}).Parse(pageText))

// HTML writes the page as one self-contained file.
func (p *Page) HTML(w io.Writer) error { return page.Execute(w, rendering{Page: p}) }

// MailHTML writes the page for a mail: without what mail programs do not show, and without
// the annex, which a mail has as a file.
func (p *Page) MailHTML(w io.Writer) error {
	return page.Execute(w, rendering{Page: p, Mail: true})
}

type rendering struct {
	*Page
	Mail bool
}

// piece is a part of a text: words, or a command.
type piece struct {
	Text    string
	Command bool
}

// pieces splits a text at the backquotes of its commands.
func pieces(text string) (list []piece) {
	for n, part := range strings.Split(text, "`") {
		if part != "" {
			list = append(list, piece{part, n%2 == 1})
		}
	}
	return list
}
