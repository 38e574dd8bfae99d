package peer

import (
	"bytes"
	"strings"
)

// This file reads the text of Asterisk's config files as main/config.c does
// (process_text_line, config_text_file_load), without loading anything: enough
// to find the line that holds a value.

// kind says what a line of a config file is.
type kind uint8

const (
	other    kind = iota // blank, comment, or not understood
	header               // [name](options)
	variable             // name = value
	include              // #include, #tryinclude, #exec
)

// confLine is one line of a config file.
type confLine struct {
	start, code, end int // byte offsets: the line, the end of its meaning, the next line
	kind             kind
	name             string   // of the section or variable; the directive of an include
	value            string   // of the variable; the file or pattern of an include
	options          []string // of the header: "!", "+…" and names of templates
}

// adds reports whether a header continues an earlier section.
func (l confLine) adds() bool {
	for _, o := range l.options {
		if strings.HasPrefix(o, "+") {
			return true
		}
	}
	return false
}

// templates are the sections a header inherits from.
func (l confLine) templates() []string {
	var names []string
	for _, o := range l.options {
		if o != "!" && !strings.HasPrefix(o, "+") {
			names = append(names, o)
		}
	}
	return names
}

// scanConf splits the text of one config file into lines.
func scanConf(text []byte) []confLine {
	var lines []confLine
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
		l := confLine{start: start, end: end}
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

// parse tells what kind of line a meaning is.
func (l *confLine) parse(s string) {
	switch {
	case strings.HasPrefix(s, "["):
		name, rest, ok := strings.Cut(s[1:], "]")
		if !ok {
			return
		}
		l.kind, l.name = header, name
		if inside, found := strings.CutPrefix(rest, "("); found {
			inside, _, _ = strings.Cut(inside, ")")
			l.options = strings.Split(inside, ",")
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
		l.kind, l.name, l.value = include, strings.ToLower(directive), file
	default:
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return
		}
		l.kind = variable
		l.name = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(name, `\`), "+"))
		l.value = strings.TrimSpace(strings.TrimPrefix(value, ">"))
	}
}

// section is a stretch of lines from a header to the next one.
type section struct {
	first, last int // indexes of the header and of the last line
	header      confLine
}

// sections finds every stretch of the section name, in order.
func sections(lines []confLine, name string) []section {
	var out []section
	open := false
	for i, l := range lines {
		if l.kind == header {
			if open = l.name == name; open {
				out = append(out, section{first: i, header: l})
			}
		}
		if open {
			out[len(out)-1].last = i
		}
	}
	return out
}

// values are the section's own values of a variable, in order.
func (s section) values(lines []confLine, name string) []string {
	var out []string
	for _, l := range lines[s.first : s.last+1] {
		if l.kind == variable && strings.EqualFold(l.name, name) {
			out = append(out, l.value)
		}
	}
	return out
}

// setVariable returns the text with the section's own last line of the variable
// holding value, or with such a line added after the section's last variable
// when it has none. Everything else, comments included, stays byte for byte.
func setVariable(text []byte, s section, name, old, value string) []byte {
	lines := scanConf(text)
	newline := "\n"
	if bytes.HasSuffix(text[:lines[s.first].end], []byte("\r\n")) {
		newline = "\r\n"
	}
	at, after := -1, s.first
	for i := s.first; i <= s.last; i++ {
		if lines[i].kind != variable {
			continue
		}
		after = i
		if strings.EqualFold(lines[i].name, name) && (old == "" || lines[i].value == old) {
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

// dropVariable returns the text without the section's own lines that give the
// variable that value.
func dropVariable(text []byte, s section, name, value string) []byte {
	lines := scanConf(text)
	var b bytes.Buffer
	b.Write(text[:lines[s.first].end])
	for _, l := range lines[s.first+1 : s.last+1] {
		if l.kind != variable || l.value != value || !strings.EqualFold(l.name, name) {
			b.Write(text[l.start:l.end])
		}
	}
	b.Write(text[lines[s.last].end:])
	return b.Bytes()
}
