package report

import (
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/responder/texts"
)

// Urgency is what a reader has to do. Subjects begin with its word.
type Urgency string

// Stopped: it is over, and nothing is left to do. ActNow: it is not over, or something
// does not work until a person acts. Info: nobody has to act.
const (
	Stopped Urgency = "stopped"
	ActNow  Urgency = "act"
	Info    Urgency = "info"
)

// Page is what people read, about an incident, an alarm or a week: Text, HTML and Mail
// render it. Its strings are safe to print; HTML still has to escape them. A command to
// copy stands in backquotes.
type Page struct {
	Language *texts.Language // nil: English
	Urgency  Urgency
	Ref      string // which incident, or what else this is
	Site     string // the machine; "" if it is not known
	When     string // day, time and time zone
	Title    string // what happened, in a few words
	Note     string // what else belongs in the subject; "": nothing
	Lead     []string
	Sections []Section
	Timeline *Timeline // nil: there is nothing to draw
	Annex    *Annex    // nil: there is none
}

// Section is one part of a page.
type Section struct {
	Heading   string
	Lines     []Line
	Ordered   bool // the lines are numbered: they are to be done one after another
	Technical bool // for whoever wants to know it exactly
	Table     *Table
}

// Line is a sentence, or a moment of a story.
type Line struct {
	When string // "": it is no moment
	Mark Mark
	Text string
}

// Mark says what a line of a story is.
type Mark string

// What was seen has no mark. What was done, has failed, or was left undone is a step.
const (
	Seen   Mark = ""
	Done   Mark = "done"
	Failed Mark = "failed"
	Undone Mark = "undone"
)

// Sign is the mark as a character beside its line, which says the same in words.
func (m Mark) Sign() string {
	switch m {
	case Done:
		return "✓"
	case Failed:
		return "✗"
	case Undone:
		return "!"
	}
	return "•"
}

// Story reports whether the lines have times.
func (s Section) Story() bool { return len(s.Lines) > 0 && s.Lines[0].When != "" }

// Spans reports whether a line tells of a span of time, or of a day.
func (s Section) Spans() bool {
	return slices.ContainsFunc(s.Lines, func(l Line) bool { return len(l.When) > len(time.TimeOnly) })
}

// Table is rows of cells.
type Table struct {
	Columns []Column
	Rows    [][]string
	Stack   bool // on a narrow screen, the cells of a row stand below one another
}

// Column is the head of a column.
type Column struct {
	Name  string
	Right bool // its cells are numbers
	Free  bool // its cells may be long, and are broken
}

// Named is a cell with the head of its column, for narrow screens.
type Named struct {
	Column
	Text string
}

// Cells are the rows with the names of their columns.
func (t *Table) Cells() (rows [][]Named) {
	for _, row := range t.Rows {
		var cells []Named
		for n, text := range row {
			cells = append(cells, Named{t.Columns[n], text})
		}
		rows = append(rows, cells)
	}
	return rows
}

// Word is the word of the urgency.
func (p *Page) Word() string { return p.say("urgency." + string(p.Urgency)) }

// Subject is the subject of a mail, in one line.
func (p *Page) Subject() string {
	title := p.Title
	if p.Note != "" {
		title = p.say("subject.note", "title", title, "note", p.Note)
	}
	where := p.Ref
	if p.Site != "" {
		where = p.say("subject.where", "site", p.Site, "ref", p.Ref)
	}
	return p.say("subject.line", "urgency", p.Word(), "title", title, "where", where)
}

// Head is the line above the title: where, what and when.
func (p *Page) Head() (parts []string) {
	for _, part := range []string{p.Site, p.Ref, p.When} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// Say returns a text in the page's language, for the template.
func (p *Page) Say(key string) string { return p.Language.Say(key) }

func (p *Page) say(key string, params ...any) string { return p.Language.Say(key, params...) }

// add adds a section, unless it is empty.
func (p *Page) add(s Section) {
	if len(s.Lines) > 0 || s.Table != nil && len(s.Table.Rows) > 0 {
		p.Sections = append(p.Sections, s)
	}
}

// sentences makes lines of texts.
func sentences(list []string) (lines []Line) {
	for _, text := range list {
		lines = append(lines, Line{Text: text})
	}
	return lines
}
