package fail2ban

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// section has the options of a section, as they are written.
type section map[string]string

// file is one configuration file, as Python's configparser reads it for fail2ban: names of
// options in lower case, "=" or ":", values that go on in lines further to the right,
// comments of whole lines by # and ;, and at the ends of lines by ; only.
type file struct {
	defaults section
	sections map[string]section
	order    []string // of the sections
}

// The syntax of a section and of an option (Lib/configparser.py SECTCRE and OPTCRE).
var (
	sectionSyntax = regexp.MustCompile(`^\[(.+)\]`)
	optionSyntax  = regexp.MustCompile(`^(.*?)\s*[=:]\s*(.*)$`)
)

// isSpace is Python's str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func strip(s string) string { return strings.TrimFunc(s, isSpace) }

// parser is where the reading of a file is.
type parser struct {
	file    *file
	name    string // of the section; its options are being read into section and values
	section section
	values  map[string][]string
	option  string // that lines further to the right belong to
	indent  int
	seen    map[string]bool                // options
	pending map[string]map[string][]string // the lines of each section's options
}

// parseFile reads one file. Its errors are those over which fail2ban fails, too.
func parseFile(text string) (*file, error) {
	if !utf8.ValidString(text) {
		return nil, errNotUTF8
	}
	p := &parser{file: &file{defaults: section{}, sections: map[string]section{}}, seen: map[string]bool{}, pending: map[string]map[string][]string{}}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	for n, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	for name, values := range p.pending {
		into := p.file.sections[name]
		if name == defaultSection {
			into = p.file.defaults
		}
		for option, lines := range values {
			into[option] = strings.TrimRightFunc(strings.Join(lines, "\n"), isSpace)
		}
	}
	return p.file, nil
}

const defaultSection = "DEFAULT"

// line takes a line.
func (p *parser) line(line string) error {
	value, comment := cutComment(line)
	value = strip(value)
	if value == "" {
		if !comment && p.section != nil && p.option != "" {
			p.values[p.option] = append(p.values[p.option], "")
		}
		return nil
	}
	indent := strings.IndexFunc(line, func(r rune) bool { return !isSpace(r) })
	if p.section != nil && p.option != "" && indent > p.indent {
		p.values[p.option] = append(p.values[p.option], value)
		return nil
	}
	p.indent = indent
	if header := sectionSyntax.FindStringSubmatch(value); header != nil {
		return p.begin(header[1])
	}
	if p.section == nil {
		return fmt.Errorf("%q is in no section", value)
	}
	option := optionSyntax.FindStringSubmatch(value)
	if option == nil || option[1] == "" {
		return fmt.Errorf("%q is no option: want NAME = VALUE", value)
	}
	p.option = strings.ToLower(strings.TrimRightFunc(option[1], isSpace))
	key := p.name + "\x00" + p.option
	if p.seen[key] {
		return fmt.Errorf("option %q is in [%s] twice", p.option, p.name)
	}
	p.seen[key] = true
	p.values[p.option] = []string{strip(option[2])}
	return nil
}

// begin begins a section.
func (p *parser) begin(name string) error {
	if name != defaultSection {
		if p.file.sections[name] != nil {
			return fmt.Errorf("section [%s] is there twice", name)
		}
		p.file.sections[name] = section{}
		p.file.order = append(p.file.order, name)
		p.section = p.file.sections[name]
	} else {
		p.section = p.file.defaults
	}
	p.name, p.option = name, ""
	if p.pending[name] == nil {
		p.pending[name] = map[string][]string{}
	}
	p.values = p.pending[name]
	return nil
}

// cutComment cuts off a comment: from a ; behind a space on, or a line that begins with #
// or ;.
func cutComment(line string) (rest string, comment bool) {
	if t := strip(line); strings.HasPrefix(t, "#") || strings.HasPrefix(t, ";") {
		return "", true
	}
	before := ' '
	for i, r := range line {
		if r == ';' && isSpace(before) {
			return line[:i], true
		}
		before = r
	}
	return line, false
}
