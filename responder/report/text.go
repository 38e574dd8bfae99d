package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is that of a terminal and of a mail in plain text.
const width = 78

// Text writes the page for a terminal or a mail.
func (p *Page) Text(w io.Writer) error {
	var b strings.Builder
	title := p.Title
	if p.Note != "" {
		title = p.say("subject.note", "title", title, "note", p.Note)
	}
	wrap(&b, "", "", p.say("text.title", "urgency", p.Word(), "title", title))
	wrap(&b, "", "", strings.Join(p.Head(), " · "))
	b.WriteString("\n")
	for _, lead := range p.Lead {
		wrap(&b, "", "", lead)
	}
	for _, s := range p.Sections {
		fmt.Fprintf(&b, "\n%s\n", s.Heading)
		s.text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Section) text(b *strings.Builder) {
	when := 0
	for _, l := range s.Lines {
		when = max(when, utf8.RuneCountInString(l.When))
	}
	for n, l := range s.Lines {
		switch {
		case when > 0:
			first := "  " + pad(l.When, when, false) + "  "
			wrap(b, first, strings.Repeat(" ", when+4), l.Text)
		case s.Ordered:
			wrap(b, fmt.Sprintf("  %d. ", n+1), "     ", l.Text)
		default:
			wrap(b, "  - ", "    ", l.Text)
		}
	}
	if s.Table != nil {
		s.Table.text(b)
	}
}

// text writes a table with aligned columns, at most as wide as its cells.
func (t *Table) text(b *strings.Builder) {
	wide := make([]int, len(t.Columns))
	for n, c := range t.Columns {
		wide[n] = utf8.RuneCountInString(c.Name)
		for _, row := range t.Rows {
			wide[n] = max(wide[n], utf8.RuneCountInString(row[n]))
		}
	}
	write := func(cell func(int) string) {
		var line strings.Builder
		for n, c := range t.Columns {
			line.WriteString("  " + pad(cell(n), wide[n], c.Right))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	write(func(n int) string { return t.Columns[n].Name })
	for _, row := range t.Rows {
		write(func(n int) string { return row[n] })
	}
}

// pad fills a cell up with spaces.
func pad(s string, to int, right bool) string {
	space := strings.Repeat(" ", max(0, to-utf8.RuneCountInString(s)))
	if right {
		return space + s
	}
	return s + space
}

// wrap writes a text in lines of at most width; a command stays in one, so that it can be
// copied.
func wrap(b *strings.Builder, first, next, text string) {
	line, used := first, 0
	for _, word := range words(text) {
		if used > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line, used = next, 0
		}
		if used > 0 {
			line += " "
		}
		line += word
		used++
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// words splits a text at spaces outside of commands.
func words(text string) (list []string) {
	inside, from := false, 0
	for n := range len(text) {
		switch {
		case text[n] == '`':
			inside = !inside
		case text[n] == ' ' && !inside:
			if n > from {
				list = append(list, text[from:n])
			}
			from = n + 1
		}
	}
	if from < len(text) {
		list = append(list, text[from:])
	}
	return list
}
