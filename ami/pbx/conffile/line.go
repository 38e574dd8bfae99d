// Package conffile reads Asterisk's configuration files as main/config.c does,
// and changes single lines of them. It needs no Asterisk.
package conffile

import (
	"bytes"
	"slices"
	"strings"
)

// Kind says what a line of a file is.
type Kind uint8

// The kinds of lines. Other is a blank line, a comment, or one that Asterisk
// does not understand.
const (
	Other    Kind = iota
	Header        // [name](options)
	Variable      // name = value
	Include       // #include, #tryinclude, #exec
)

// Line is one line of a file.
type Line struct {
	Kind    Kind
	Name    string   // of the section or variable; the directive of an include
	Value   string   // of the variable; the file or pattern of an include
	Options []string // of a header: "!", "+…" and names of templates
	Append  bool     // "+=": the value is added to the one there is

	start, code, end int // byte offsets: the line, the end of its meaning, the next line
}

// Adds reports whether a header continues an earlier section.
func (l Line) Adds() bool {
	return slices.ContainsFunc(l.Options, func(o string) bool { return strings.HasPrefix(o, "+") })
}

// Template reports whether a header begins a template.
func (l Line) Template() bool { return slices.Contains(l.Options, "!") }

// Templates are the sections that a header inherits from.
func (l Line) Templates() []string {
	var names []string
	for _, o := range l.Options {
		if o != "!" && !strings.HasPrefix(o, "+") {
			names = append(names, o)
		}
	}
	return names
}

// True reports whether Asterisk takes a value for true (main/utils.c ast_true).
func True(value string) bool {
	return slices.Contains([]string{"yes", "true", "y", "t", "1", "on"}, strings.ToLower(value))
}

// Parse splits the text of one file into lines. It follows no includes.
func Parse(text []byte) []Line {
	var lines []Line
	comment := 0 // depth of ;-- … --; comments, which nest
	start := 0
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) { // a byte order mark
		start = 3
	}
	for start < len(text) {
		end := len(text)
		if i := bytes.IndexByte(text[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		l := Line{start: start, end: end}
		raw := bytes.TrimRight(text[start:end], "\r\n")
		meaning, code := stripComments(raw, &comment)
		l.code = l.start + code
		l.parse(strings.TrimSpace(meaning))
		lines = append(lines, l)
		start = end
	}
	return lines
}

// stripComments returns what a line means and where that ends, in bytes of raw.
func stripComments(raw []byte, depth *int) (meaning string, code int) {
	var b strings.Builder
	code = len(raw)
	for i := 0; i < len(raw); i++ {
		rest := raw[i:]
		switch {
		case raw[i] == '\\' && len(rest) > 1 && rest[1] == ';':
			i++
			if *depth == 0 {
				b.WriteByte(';')
			}
		case raw[i] == ';' && bytes.HasPrefix(rest, []byte(";--")) && (len(rest) == 3 || rest[3] != '-'):
			*depth++
			i += 2
		case raw[i] == ';' && *depth > 0:
			if i >= 2 && raw[i-1] == '-' && raw[i-2] == '-' {
				*depth--
			}
		case raw[i] == ';':
			return b.String(), i
		case *depth == 0:
			b.WriteByte(raw[i])
		}
	}
	return b.String(), code
}

// parse sets the kind of line by its meaning.
func (l *Line) parse(s string) {
	switch {
	case strings.HasPrefix(s, "["):
		name, rest, ok := strings.Cut(s[1:], "]")
		if !ok {
			return
		}
		l.Kind, l.Name = Header, name
		if inside, found := strings.CutPrefix(rest, "("); found {
			inside, _, _ = strings.Cut(inside, ")")
			l.Options = strings.Split(inside, ",")
		}
	case strings.HasPrefix(s, "#"):
		directive, file, _ := strings.Cut(s[1:], " ")
		if i := strings.IndexByte(s, '\t'); i > 0 && i-1 < len(directive) {
			directive, file = s[1:i], s[i+1:]
		}
		file = strings.TrimSpace(file)
		if n := len(file); n >= 2 && (file[0] == '"' && file[n-1] == '"' || file[0] == '<' && file[n-1] == '>') {
			file = file[1 : n-1]
		}
		l.Kind, l.Name, l.Value = Include, strings.ToLower(directive), file
	default:
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return
		}
		l.Kind = Variable
		name, l.Append = strings.CutSuffix(strings.TrimPrefix(name, `\`), "+")
		l.Name = strings.TrimSpace(name)
		l.Value = strings.TrimSpace(strings.TrimPrefix(value, ">"))
	}
}
