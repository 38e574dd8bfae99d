package pbx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami"
)

// category is one section of Asterisk's configuration as Asterisk itself reads
// it: templates applied, includes followed, "(+)" merged.
type category struct {
	name      string
	template  bool
	templates string
	vars      []ami.Field
}

// values are the category's values of a variable, inherited ones first.
func (c category) values(name string) []string {
	var out []string
	for _, v := range c.vars {
		if strings.EqualFold(v.Name, name) {
			out = append(out, v.Value)
		}
	}
	return out
}

// last is the value in force of a variable that can have only one.
func (c category) last(name string) string {
	if v := c.values(name); len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// config is everything one root file brings.
type config []category

// getConfig reads a config file through Asterisk, templates included. A file
// that does not exist is an empty config.
func (ast asterisk) getConfig(ctx context.Context, file string) (config, error) {
	r, err := ast.do(ctx, ami.GetConfig(file, "TEMPLATES=include"))
	if answered(err, "Config file not found") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s through Asterisk: %w", file, err)
	}
	return readConfig(r.Fields), nil
}

// readConfig reads Category-NNNNNN, IsTemplate-, Templates- and Line- headers.
func readConfig(fields []ami.Field) config {
	var c config
	for _, f := range fields {
		what, _, _ := strings.Cut(f.Name, "-")
		if what == "Category" {
			c = append(c, category{name: f.Value})
			continue
		}
		if len(c) == 0 {
			continue
		}
		cur := &c[len(c)-1]
		switch what {
		case "IsTemplate":
			cur.template = true
		case "Templates":
			cur.templates = f.Value
		case "Line":
			name, value, _ := strings.Cut(f.Value, "=")
			cur.vars = append(cur.vars, ami.Field{Name: name, Value: value})
		}
	}
	return c
}

// find returns the index of the one section of that name whose type is kind
// (any when kind is ""), -1 when there is none.
func (c config) find(name, kind string) (int, error) {
	at := -1
	for i, cat := range c {
		if cat.name != name || !cat.is(kind) {
			continue
		}
		if at >= 0 {
			return -1, fmt.Errorf("section [%s] is there more than once: give each its own name", name)
		}
		at = i
	}
	return at, nil
}

// is reports whether the category is no template and of the kind, "" being any.
func (c category) is(kind string) bool {
	return !c.template && (kind == "" || strings.EqualFold(c.last("type"), kind))
}

// namesake reports whether another section of the kind has the same name but
// for upper and lower case. UpdateConfig would change both.
func (c config) namesake(name, kind string) bool {
	return slices.ContainsFunc(c, func(cat category) bool {
		return cat.name != name && strings.EqualFold(cat.name, name) && cat.is(kind)
	})
}

// unchangedBut reports whether after holds the same sections with the same
// variables, except for the named variables of the section at index i.
func (c config) unchangedBut(after config, i int, names []string) bool {
	if len(c) != len(after) {
		return false
	}
	for k := range c {
		a, b := c[k], after[k]
		if a.name != b.name || a.template != b.template || a.templates != b.templates {
			return false
		}
		if k == i {
			a.vars, b.vars = without(a.vars, names), without(b.vars, names)
		}
		if !slices.Equal(a.vars, b.vars) {
			return false
		}
	}
	return true
}

func without(vars []ami.Field, names []string) []ami.Field {
	return slices.DeleteFunc(slices.Clone(vars), func(v ami.Field) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, v.Name) })
	})
}
