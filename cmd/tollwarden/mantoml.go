package main

import (
	"fmt"
	"regexp"
	"strings"
)

// tomlPage writes tollwarden.toml(5) from the reference configuration, whose comments say
// what each key means.
func tomlPage(reference string) string {
	p := &tomlWriter{}
	fmt.Fprintf(&p.out, ".TH TOLLWARDEN.TOML 5 \"\" \"tollwarden %s\" \"Tollwarden\"\n", roff(version()))
	p.out.WriteString(".SH NAME\ntollwarden.toml \\- the configuration of tollwarden(1)\n")
	p.out.WriteString(".SH SYNOPSIS\n/etc/tollwarden/tollwarden.toml\n.SH DESCRIPTION\n")
	for line := range strings.Lines(reference) {
		p.line(strings.TrimSuffix(line, "\n"))
	}
	p.flush()
	p.out.WriteString(".SH FILES\n.TP\n.B /etc/tollwarden/tollwarden.toml\nThe configuration, readable only by its owner.\n" +
		".TP\n.B /usr/share/doc/tollwarden/reference.toml\nThis text as a file of the format itself, which \\fBtollwarden check \\-\\-reference\\fR prints, too.\n" +
		".SH EXAMPLES\n.EX\n" + roff(tomlExample) + "\n.EE\n" +
		".SH SEE ALSO\n.BR tollwarden (1),\n.BR tollwarden\\-check (1),\n.BR tollwarden\\-reload (1)\n")
	return p.out.String()
}

const tomlExample = `[asterisk]
username    = "tollwarden"
secret_file = "/etc/tollwarden/ami-secret"
log         = "/var/log/asterisk/messages"

[firewall]
allow = ["127.0.0.0/8", "::1/128", "198.51.100.0/24"]

[calls]
country = "GB"
hours   = ["Mon-Fri 07:30-19:00"]`

// tomlWriter turns the reference into man(7), line by line.
type tomlWriter struct {
	out      strings.Builder
	comment  []string // lines of a comment that stands by itself
	verbatim bool     // what follows is printed as it is: an entry of a list of tables, or a text of several lines
	entries  bool     // it is an entry of a list of tables
	keys     bool     // a key came last, whose comment may go on
}

var (
	tomlSection = regexp.MustCompile(`^\[+([a-z_.]+)\]+$`)
	tomlKey     = regexp.MustCompile(`^[a-z_]+ *= `)
	tomlGoesOn  = regexp.MustCompile(`^ +# ?`)
	tomlExact   = regexp.MustCompile(`^(\[\[|[a-z_]+ +=|  )`) // a comment that is an example or a table
)

func (p *tomlWriter) line(l string) {
	switch {
	case p.verbatim && !p.entries: // a text of several lines
		p.exact(l)
		if strings.Contains(l, `"""`) {
			p.end()
		}
	case strings.HasPrefix(l, "#"):
		p.end()
		p.comment = append(p.comment, strings.TrimPrefix(strings.TrimPrefix(l, "#"), " "))
	case strings.TrimSpace(l) == "":
		p.flush()
	case strings.HasPrefix(l, "[["):
		if !p.entries {
			heading := tomlSection.FindStringSubmatch(l)[1]
			fmt.Fprintf(&p.out, ".SS The default [[%s]] entries\n", roff(heading))
		}
		p.flush()
		p.begin()
		p.entries = true
		p.exact(l)
	case p.entries && p.verbatim:
		p.exact(l)
	case tomlSection.MatchString(l):
		p.end()
		p.entries, p.keys = false, false
		fmt.Fprintf(&p.out, ".SH [%s]\n", roff(tomlSection.FindStringSubmatch(l)[1]))
		p.flush()
	case p.keys && tomlGoesOn.MatchString(l):
		fmt.Fprintln(&p.out, roff(tomlGoesOn.ReplaceAllString(l, "")))
	case tomlKey.MatchString(l):
		p.flush()
		p.key(l)
	}
}

// key begins the paragraph of a key with its default.
func (p *tomlWriter) key(l string) {
	setting, text := splitComment(l)
	name, value, _ := strings.Cut(setting, "=")
	setting = strings.TrimSpace(name) + " = " + strings.TrimSpace(value)
	if strings.HasSuffix(setting, `"""`) && strings.Count(setting, `"""`) == 1 {
		p.begin()
		p.exact(setting)
		return
	}
	fmt.Fprintf(&p.out, ".TP\n.B %s\n", roff(setting))
	if text != "" {
		fmt.Fprintln(&p.out, roff(text))
	}
	p.keys = true
}

// splitComment takes the comment from behind a value.
func splitComment(l string) (setting, comment string) {
	quoted := false
	for i, c := range l {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '#' && !quoted:
			return strings.TrimSpace(l[:i]), strings.TrimSpace(l[i+1:])
		}
	}
	return strings.TrimSpace(l), ""
}

// flush writes the comment as paragraphs, lists and examples.
func (p *tomlWriter) flush() {
	p.end()
	p.keys = false
	if len(p.comment) > 0 {
		p.out.WriteString(".PP\n")
	}
	list := false
	for _, l := range p.comment {
		switch exact := tomlExact.MatchString(l) && !(strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "   ")); {
		case exact:
			p.begin()
			p.exact(l)
		case strings.HasPrefix(l, "- "):
			p.end()
			fmt.Fprintf(&p.out, ".IP \\(bu 2\n%s\n", roff(l[2:]))
			list = true
		case l == "":
			p.end()
			p.out.WriteString(".PP\n")
		default:
			p.end()
			fmt.Fprintln(&p.out, roff(strings.TrimSpace(l)))
		}
	}
	p.end()
	if list {
		p.out.WriteString(".PP\n") // which ends the narrow indentation
	}
	p.comment = nil
}

// begin and end enclose lines that are printed as they are.
func (p *tomlWriter) begin() {
	if !p.verbatim {
		p.out.WriteString(".PP\n.EX\n")
	}
	p.verbatim = true
}

func (p *tomlWriter) end() {
	if p.verbatim {
		p.out.WriteString(".EE\n")
	}
	p.verbatim = false
}

func (p *tomlWriter) exact(l string) { fmt.Fprintln(&p.out, roff(l)) }
