package amitest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

const (
	pjsipConf = "pjsip.conf"
	sipConf   = "sip.conf"
)

// files keeps config files in memory, or in dir if it is set.
type files struct {
	dir  string
	text map[string]string
}

func newFiles(dir string, texts map[string]string) (files, error) {
	f := files{dir: dir, text: make(map[string]string)}
	for name, text := range texts {
		if err := f.write(name, text); err != nil {
			return f, err
		}
	}
	return f, nil
}

// path rejects names outside the directory, like Asterisk.
func (f files) path(name string) (string, error) {
	if f.dir != "" {
		if rel, err := filepath.Rel(f.dir, name); err == nil && filepath.IsAbs(name) {
			name = rel
		}
	}
	if !filepath.IsLocal(name) {
		return "", errors.New("outside the config directory")
	}
	return filepath.Join(f.dir, name), nil
}

func (f files) read(name string) (string, error) {
	path, err := f.path(name)
	if err != nil {
		return "", err
	}
	if f.dir != "" {
		text, err := os.ReadFile(path)
		return string(text), err
	}
	text, found := f.text[path]
	if !found {
		return "", fs.ErrNotExist
	}
	return text, nil
}

func (f files) write(name, text string) error {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if f.dir != "" {
		return os.WriteFile(path, []byte(text), 0o600)
	}
	f.text[path] = text
	return nil
}

// File returns the current text of a config file, or "" if it does not exist.
func (p *PBX) File(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, _ := p.files.read(name)
	return text
}

// SetFile writes a config file and reloads it, as an administrator would.
func (p *PBX) SetFile(name, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.files.write(name, text); err != nil {
		return fmt.Errorf("amitest: %w", err)
	}
	p.reload(name)
	return nil
}

// config is a parsed config file: its sections, with templates applied, without includes
// and comments.
type config []*section

type section struct {
	name     string
	template bool
	parents  []string
	vars     []variable
}

// variable is one "name = value". Inherited variables come before a section's own.
type variable struct {
	name, value string
	inherited   bool
}

var sectionLine = regexp.MustCompile(`^\[([^\]]+)\](?:\(([^)]*)\))?\s*$`)

// parseConfig parses the part of main/config.c's format that accounts need.
func parseConfig(text string) (config, error) {
	var c config
	for i, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(stripComment(l))
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if m := sectionLine.FindStringSubmatch(l); m != nil {
			s := &section{name: m[1]}
			for option := range strings.SplitSeq(m[2], ",") {
				switch option = strings.TrimSpace(option); option {
				case "":
				case "!":
					s.template = true
				default:
					if err := s.inherit(c, option); err != nil {
						return nil, fmt.Errorf("line %d: %w", i+1, err)
					}
				}
			}
			c = append(c, s)
			continue
		}
		name, value, found := strings.Cut(l, "=")
		if !found || len(c) == 0 {
			return nil, fmt.Errorf("line %d: no '='", i+1)
		}
		s := c[len(c)-1]
		s.vars = append(s.vars, variable{name: strings.TrimSpace(name), value: strings.TrimSpace(strings.TrimPrefix(value, ">"))})
	}
	return c, nil
}

// stripComment cuts a line at the first unescaped ';'.
func stripComment(l string) string {
	for i := range len(l) {
		if l[i] == ';' && (i == 0 || l[i-1] != '\\') {
			l = l[:i]
			break
		}
	}
	return strings.ReplaceAll(l, `\;`, ";")
}

func (s *section) inherit(c config, parent string) error {
	from := c.find(parent, "TEMPLATES=include")
	if len(from) == 0 {
		return fmt.Errorf("no section %q to inherit from", parent)
	}
	s.parents = append(s.parents, parent)
	for _, v := range from[0].vars {
		s.vars = append(s.vars, variable{v.name, v.value, true})
	}
	return nil
}

// text returns the file as Asterisk writes it, without inherited values. If preserve is
// set (PreserveEffectiveContext), only values equal to the template's are left out.
func (c config) text(preserve bool) string {
	var b strings.Builder
	b.WriteString(";!\n;! Automatically generated configuration file\n;! Generator: Manager\n;!\n")
	for _, s := range c {
		b.WriteString("[" + s.name + "]")
		options := s.parents
		if s.template {
			options = append([]string{"!"}, options...)
		}
		if len(options) > 0 {
			b.WriteString("(" + strings.Join(options, ",") + ")")
		}
		b.WriteString("\n")
		for _, v := range s.vars {
			if (v.inherited && !preserve) || c.fromParent(s, v) {
				continue
			}
			b.WriteString(v.name + " = " + strings.ReplaceAll(v.value, ";", `\;`) + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// fromParent reports whether a template has the same value.
func (c config) fromParent(s *section, v variable) bool {
	for _, parent := range s.parents {
		for _, t := range c.find(parent, "TEMPLATES=include") {
			if slices.ContainsFunc(t.vars, func(o variable) bool {
				return strings.EqualFold(o.name, v.name) && o.value == v.value
			}) {
				return true
			}
		}
	}
	return false
}

// find returns the sections with a name ("" for all) that match a filter such as
// "type=auth". It includes templates only with TEMPLATES=include.
func (c config) find(name, filter string) (found []*section) {
	for _, s := range c {
		if (name == "" || strings.EqualFold(s.name, name)) && s.matches(filter) {
			found = append(found, s)
		}
	}
	return found
}

// matches implements does_category_match of main/config.c.
func (s *section) matches(filter string) bool {
	if filter == "" {
		return !s.template
	}
	templates := false
	for expression := range strings.SplitSeq(filter, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(expression), "=")
		switch {
		case !found:
			return false
		case name == "TEMPLATES" && value == "include":
			templates = true
		case name == "TEMPLATES" && value == "restrict":
			if !s.template {
				return false
			}
			templates = true
		case !s.has(name, value):
			return false
		}
	}
	return !s.template || templates
}

func (s *section) has(name, value string) bool {
	n, err := regexp.CompilePOSIX(name)
	v, err2 := regexp.CompilePOSIX(value)
	return err == nil && err2 == nil && slices.ContainsFunc(s.vars, func(o variable) bool {
		return n.MatchString(o.name) && v.MatchString(o.value)
	})
}

// value returns the effective value of a variable, which is the last one.
func (s *section) value(name string) string {
	value := ""
	for _, v := range s.vars {
		if strings.EqualFold(v.name, name) {
			value = v.value
		}
	}
	return value
}

func doGetConfig(p *PBX, _ *session, r request, a *reply) {
	c, ok := p.load(r.get("Filename"), a)
	if !ok {
		return
	}
	a.head("Success")
	found := c.find(r.get("Category"), r.get("Filter"))
	for i, s := range found {
		a.fields(ami.Field{Name: fmt.Sprintf("Category-%06d", i), Value: s.name})
		if s.template {
			a.fields(ami.Field{Name: fmt.Sprintf("IsTemplate-%06d", i), Value: "1"})
		}
		if len(s.parents) > 0 {
			a.fields(ami.Field{Name: fmt.Sprintf("Templates-%06d", i), Value: strings.Join(s.parents, ",")})
		}
		for j, v := range s.vars {
			a.fields(ami.Field{Name: fmt.Sprintf("Line-%06d-%06d", i, j), Value: v.name + "=" + v.value})
		}
	}
	if len(found) == 0 && r.get("Category") != "" {
		a.WriteString("No categories found\r\n")
	}
	a.end()
}

// load reads a file for an action, or answers the action with an error.
func (p *PBX) load(name string, a *reply) (config, bool) {
	if name == "" {
		a.refuse("Filename not specified")
		return nil, false
	}
	if _, err := p.files.path(name); err != nil {
		a.refuse("File requires escalated privileges")
		return nil, false
	}
	text, err := p.files.read(name)
	if err != nil {
		a.refuse("Config file not found")
		return nil, false
	}
	c, err := parseConfig(text)
	if err != nil {
		a.refuse("Config file has invalid format")
		return nil, false
	}
	return c, true
}

func doCreateConfig(p *PBX, _ *session, r request, a *reply) {
	if err := p.files.write(r.get("Filename"), ""); err != nil {
		a.refuse("File requires escalated privileges")
		return
	}
	a.success("New configuration file created successfully")
}
