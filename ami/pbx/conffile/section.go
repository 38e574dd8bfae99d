package conffile

import (
	"bytes"
	"strings"
)

// Section is a stretch of lines from a header to the next one.
type Section struct {
	First, Last int // indexes of the header and of the last line
	Header      Line
}

// Sections finds every stretch with that name, in order.
func Sections(lines []Line, name string) []Section {
	var out []Section
	open := false
	for i, l := range lines {
		if l.Kind == Header {
			if open = l.Name == name; open {
				out = append(out, Section{First: i, Header: l})
			}
		}
		if open {
			out[len(out)-1].Last = i
		}
	}
	return out
}

// Values are the section's own values of a variable, in order.
func (s Section) Values(lines []Line, name string) []string {
	var out []string
	for _, l := range lines[s.First : s.Last+1] {
		if l.Kind == Variable && strings.EqualFold(l.Name, name) {
			out = append(out, l.Value)
		}
	}
	return out
}

// In finds the same section in a text in which lines were added to it or taken
// out of it.
func (s Section) In(text []byte) Section {
	lines := Parse(text)
	for s.Last = s.First; s.Last+1 < len(lines) && lines[s.Last+1].Kind != Header; s.Last++ {
	}
	return s
}

// SetVariable returns the text with the section's own last line of the variable
// holding value, or with such a line added after the section's last variable
// when it has none. Where old is not "", only a line with that value counts.
// Everything else, comments included, stays byte for byte.
func SetVariable(text []byte, s Section, name, old, value string) []byte {
	lines := Parse(text)
	newline := "\n"
	if bytes.HasSuffix(text[:lines[s.First].end], []byte("\r\n")) {
		newline = "\r\n"
	}
	at, after := -1, s.First
	for i := s.First; i <= s.Last; i++ {
		if lines[i].Kind != Variable {
			continue
		}
		after = i
		if strings.EqualFold(lines[i].Name, name) && (old == "" || lines[i].Value == old) {
			at = i
		}
	}
	var b bytes.Buffer
	if at >= 0 {
		l := lines[at]
		tail := text[l.code:l.end]
		if len(tail) > 0 && tail[0] == ';' { // the blanks before a remark stay too
			tail = text[l.start+len(bytes.TrimRight(text[l.start:l.code], " \t")) : l.end]
		}
		b.Write(text[:l.start])
		b.WriteString(name + " = " + value)
		b.Write(tail)
		b.Write(text[l.end:])
		return b.Bytes()
	}
	l := lines[after]
	b.Write(text[:l.end])
	if l.end == len(text) && !bytes.HasSuffix(text, []byte("\n")) {
		b.WriteString(newline)
	}
	b.WriteString(name + " = " + value + newline)
	b.Write(text[l.end:])
	return b.Bytes()
}

// DropVariable returns the text without the section's own lines that give the
// variable that value.
func DropVariable(text []byte, s Section, name, value string) []byte {
	lines := Parse(text)
	var b bytes.Buffer
	b.Write(text[:lines[s.First].end])
	for _, l := range lines[s.First+1 : s.Last+1] {
		if l.Kind != Variable || l.Value != value || !strings.EqualFold(l.Name, name) {
			b.Write(text[l.start:l.end])
		}
	}
	b.Write(text[lines[s.Last].end:])
	return b.Bytes()
}

// DropIncludes returns the text without the include lines that drop picks by their
// directive, such as "tryinclude", and by the file that they name.
func DropIncludes(text []byte, drop func(directive, file string) bool) []byte {
	var b bytes.Buffer
	for _, l := range Parse(text) {
		if l.Kind != Include || !drop(l.Name, l.Value) {
			b.Write(text[l.start:l.end])
		}
	}
	return b.Bytes()
}
