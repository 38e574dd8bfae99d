package conffile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Config is what one file and all that it includes say.
type Config struct {
	Sections []*LoadedSection // templates too, in order
	Includes []string         // files and patterns as the includes name them
}

// LoadedSection is one section with what it inherits, and with what a later
// "[name](+)" adds to it.
type LoadedSection struct {
	Name      string
	Template  bool
	Variables []Assignment // inherited ones first
}

// Assignment is one "name = value".
type Assignment struct{ Name, Value string }

// maxDepth is the depth of includes at which Asterisk itself gives up
// (MAX_INCLUDE_LEVEL in main/config.c).
const maxDepth = 10

// Load reads a file of Asterisk's configuration folder and what it includes. An
// include that cannot be read is passed over; what #exec would print is not
// there.
func Load(folder, name string) (*Config, error) {
	c := &Config{}
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	return c, c.read(folder, text, nil, 0)
}

// read adds the text of one file. A file included inside a section continues it,
// and after the include that section is open again.
func (c *Config) read(folder string, text []byte, open *LoadedSection, depth int) error {
	for _, l := range Parse(text) {
		switch l.Kind {
		case Header:
			open = c.open(l)
		case Variable:
			if open != nil {
				open.assign(l)
			}
		case Include:
			if l.Name == "exec" {
				continue
			}
			c.Includes = append(c.Includes, l.Value)
			if err := c.include(folder, l.Value, open, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// include reads the files that one include asks for.
func (c *Config) include(folder, pattern string, open *LoadedSection, depth int) error {
	if depth == maxDepth {
		return fmt.Errorf("%s: includes deeper than %d", pattern, maxDepth)
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(folder, pattern)
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("include %s: %w", pattern, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		if err := c.read(folder, text, open, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// open begins the section of a header, or continues the one that it adds to.
func (c *Config) open(h Line) *LoadedSection {
	var s *LoadedSection
	if h.Adds() {
		s = c.find(h.Name)
	}
	if s == nil {
		s = &LoadedSection{Name: h.Name, Template: h.Template()}
		c.Sections = append(c.Sections, s)
	}
	for _, name := range h.Templates() {
		if t := c.find(name); t != nil && t != s {
			s.Variables = append(s.Variables, t.Variables...)
		}
	}
	return s
}

// find is the last section of that name, templates included.
func (c *Config) find(name string) *LoadedSection {
	for _, s := range slices.Backward(c.Sections) {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// assign takes one line.
func (s *LoadedSection) assign(l Line) {
	if l.Append {
		for i := range slices.Backward(s.Variables) {
			if v := &s.Variables[i]; v.Name == l.Name {
				v.Value = strings.TrimSpace(v.Value + l.Value)
				return
			}
		}
	}
	s.Variables = append(s.Variables, Assignment{l.Name, l.Value})
}

// Value is the value of a variable, "" when it has none. The last one counts.
func (s *LoadedSection) Value(name string) string {
	for _, v := range slices.Backward(s.Variables) {
		if strings.EqualFold(v.Name, name) {
			return v.Value
		}
	}
	return ""
}

// Value is the value in force of a variable of the sections with that name, ""
// when there is none. Templates do not count.
func (c *Config) Value(section, name string) string {
	value := ""
	for _, s := range c.Sections {
		if s.Name != section || s.Template {
			continue
		}
		for _, v := range s.Variables {
			if strings.EqualFold(v.Name, name) {
				value = v.Value
			}
		}
	}
	return value
}

// Has reports whether there is a section of that name, or a template.
func (c *Config) Has(section string) bool { return c.find(section) != nil }
