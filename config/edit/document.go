package edit

import (
	"fmt"
	"slices"
	"strings"
)

// document is a text with its statements. An edit changes the text only: one document is
// good for one edit.
type document struct {
	text       string
	statements []statement
	newline    string
}

func parse(text string) (*document, error) {
	list, err := scan(text)
	if err != nil {
		return nil, err
	}
	d := &document{text: text, statements: list, newline: "\n"}
	if i := strings.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		d.newline = "\r\n"
	}
	return d, nil
}

func (d *document) splice(from, to int, with string) {
	d.text = d.text[:from] + strings.ReplaceAll(with, "\n", d.newline) + d.text[to:]
}

func (d *document) lineOf(at int) int { return 1 + strings.Count(d.text[:at], "\n") }

// find is the statement of a key, nil if there is none. Exact case comes first.
func (d *document) find(path []string) (found *statement) {
	for i := range d.statements {
		s := &d.statements[i]
		if s.header || s.inArray || len(s.path) != len(path) || !hasPrefix(s.path, path) {
			continue
		}
		if found == nil || slices.Equal(s.path, path) {
			found = s
		}
	}
	return found
}

// reachable refuses a key that an inline table, a value or an array of tables is in the way
// of.
func (d *document) reachable(path []string) error {
	for _, s := range d.statements {
		if s.inArray && !s.array {
			continue
		}
		switch line := d.lineOf(s.start); {
		case s.array && hasPrefix(path, s.path):
			return fmt.Errorf("line %d: [[%s]] is a list of tables: change it by hand", line, strings.Join(s.path, "."))
		case !s.header && len(s.path) < len(path) && hasPrefix(path, s.path):
			return fmt.Errorf("line %d: %s is written in one line: change it there by hand", line, strings.Join(s.path, "."))
		case len(s.path) >= len(path) && hasPrefix(s.path, path):
			return fmt.Errorf("line %d: %s is a table: change it by hand", line, strings.Join(path, "."))
		}
	}
	return nil
}

// replace puts a literal in the place of a value.
func (d *document) replace(s *statement, value any, literal string) error {
	if d.text[s.from] == '{' {
		return fmt.Errorf("line %d: it is a table: change it by hand", d.lineOf(s.start))
	}
	if list, ok := value.([]string); ok {
		if l := parseList(d.text[s.from:s.to]); l.commented {
			text, err := l.with(list)
			if err != nil {
				return fmt.Errorf("line %d: %w", d.lineOf(s.start), err)
			}
			d.text = d.text[:s.from] + text + d.text[s.to:]
			return nil
		}
	}
	d.splice(s.from, s.to, literal)
	return nil
}

// insert adds a key to its table and returns its path as the text writes it.
func (d *document) insert(path []string, literal string) ([]string, error) {
	if err := d.reachable(path); err != nil {
		return nil, err
	}
	table, key := path[:len(path)-1], path[len(path)-1]
	if len(table) == 0 {
		d.add(d.endOfTop(), "", key+" = "+literal)
		return path, nil
	}
	if header, last := d.block(table); header != nil {
		d.add(last.end, d.indent(last.start), key+" = "+literal)
		return append(append([]string{}, header.path...), key), nil
	}
	if s := d.dotted(table); s != nil {
		full := append(append([]string{}, s.path[:len(table)]...), key)
		d.add(s.end, d.indent(s.start), strings.Join(full[len(s.table):], ".")+" = "+literal)
		return full, nil
	}
	gap := ""
	if strings.TrimPrefix(d.text, "\ufeff") != "" {
		gap = "\n"
	}
	d.add(len(d.text), "", gap+"["+strings.Join(table, ".")+"]\n"+key+" = "+literal)
	return path, nil
}

// add puts lines at the start of a line, or at the end of the text.
func (d *document) add(at int, indent, lines string) {
	if at > 0 && d.text[at-1] != '\n' && strings.TrimPrefix(d.text[:at], "\ufeff") != "" {
		lines = "\n" + indent + lines
	} else {
		lines = indent + lines
	}
	d.splice(at, at, lines+"\n")
}

// block finds the header of a table, and the last statement of its block: the header
// itself if it has no key.
func (d *document) block(table []string) (header, last *statement) {
	for i := range d.statements {
		s := &d.statements[i]
		switch {
		case s.header && header != nil:
			return header, last
		case s.header && !s.inArray && len(s.path) == len(table) && hasPrefix(s.path, table):
			header, last = s, s
		case header != nil:
			last = s
		}
	}
	return header, last
}

// dotted is the last statement that makes a table by a dotted key.
func (d *document) dotted(table []string) (last *statement) {
	for i := range d.statements {
		if s := &d.statements[i]; !s.header && !s.inArray && len(s.table) < len(table) && len(s.path) > len(table) && hasPrefix(s.path, table) {
			last = s
		}
	}
	return last
}

// endOfTop is where a key that belongs to no table goes: after the others, or before the
// first table and the comment right above it.
func (d *document) endOfTop() int {
	at := -1
	for _, s := range d.statements {
		if s.header {
			if at < 0 {
				return d.aboveComments(s.start)
			}
			return at
		}
		at = s.end
	}
	if at < 0 {
		return len(d.text)
	}
	return at
}

func (d *document) aboveComments(at int) int {
	for at > 0 {
		line := strings.LastIndexByte(d.text[:at-1], '\n') + 1
		if !strings.HasPrefix(strings.TrimLeft(d.text[line:at], " \t"), "#") {
			return at
		}
		at = line
	}
	return len(d.text) - len(strings.TrimPrefix(d.text, "\ufeff"))
}

// indent is the white space that a line begins with.
func (d *document) indent(at int) string {
	rest := strings.TrimPrefix(d.text[at:], "\ufeff")
	return rest[:len(rest)-len(strings.TrimLeft(rest, " \t"))]
}

// hasPrefix compares keys as the configuration does: without case.
func hasPrefix(path, prefix []string) bool {
	if len(path) < len(prefix) {
		return false
	}
	for i, p := range prefix {
		if !strings.EqualFold(path[i], p) {
			return false
		}
	}
	return true
}
