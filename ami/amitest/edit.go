package amitest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// doUpdateConfig implements action_updateconfig of main/manager.c.
func doUpdateConfig(p *PBX, _ *session, r request, a *reply) {
	from, to := r.get("SrcFilename"), r.get("DstFilename")
	if to == "" {
		from = ""
	}
	c, ok := p.load(from, a)
	if !ok {
		return
	}
	for i := 0; ; i++ {
		e, more := r.edit(i)
		if !more {
			break
		}
		if refusal := c.apply(e); refusal != "" {
			a.refuse("%s", refusal)
			return
		}
	}
	preserve := !slices.Contains([]string{"no", "false", "n", "f", "0", "off"}, strings.ToLower(r.get("PreserveEffectiveContext")))
	if err := p.files.write(to, c.text(preserve)); err != nil {
		a.refuse("Save of config failed")
		return
	}
	a.ok()
	switch reload := strings.ToLower(r.get("Reload")); reload {
	case "", "no", "false", "n", "f", "0", "off":
	case "yes", "true", "y", "t", "1", "on":
		p.reloadModule("")
	default:
		p.reloadModule(reload)
	}
}

// edit is one numbered edit of UpdateConfig.
type edit struct {
	verb, category, variable, value, match, line string
	duplicates, template, lenient                bool
	inherit, filter                              string
}

func (r request) edit(i int) (e edit, more bool) {
	at := func(name string) string { return r.get(fmt.Sprintf("%s-%06d", name, i)) }
	e = edit{
		verb: strings.ToLower(at("Action")), category: at("Cat"), variable: at("Var"),
		value: strings.TrimPrefix(at("Value"), ">"), match: at("Match"), line: at("Line"),
	}
	for _, option := range splitOptions(at("Options")) {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "allowdups":
			e.duplicates = true
		case "template":
			e.template = true
		case "ignoreerror":
			e.lenient = true
		case "inherit":
			e.inherit = value
		case "catfilter":
			e.filter = value
		}
	}
	return e, e.verb != ""
}

// splitOptions splits at commas outside quotes.
func splitOptions(text string) (options []string) {
	quoted, start := false, 0
	for i, ch := range text {
		switch {
		case ch == '"':
			quoted = !quoted
		case ch == ',' && !quoted:
			options = append(options, text[start:i])
			start = i + 1
		}
	}
	return append(options, text[start:])
}

// apply applies an edit to the config, or returns Asterisk's error message.
func (c *config) apply(e edit) (refusal string) {
	const argument = "Problem with category, value, or line (if required)"
	if e.category == "" {
		return "Category not specified"
	}
	if e.verb == "newcat" {
		return c.create(e)
	}
	found := c.find(e.category, e.filter)
	switch {
	case !slices.Contains([]string{"renamecat", "delcat", "emptycat", "update", "delete", "append", "insert"}, e.verb):
		return "Unknown action command"
	case e.verb == "renamecat" && e.value == "",
		slices.Contains([]string{"update", "append", "insert"}, e.verb) && e.variable == "",
		e.verb == "delete" && e.variable == "" && e.line == "",
		e.verb == "insert" && e.line == "":
		return argument
	case len(found) == 0 && e.verb == "delcat" && e.lenient:
		return ""
	case len(found) == 0:
		return "Given category does not exist"
	}
	done := false
	for _, s := range found {
		done = c.change(s, e) || done
	}
	if !done && !(e.verb == "delete" && e.lenient) {
		return "Update did not complete successfully"
	}
	return ""
}

func (c *config) create(e edit) (refusal string) {
	if !e.duplicates && len(c.find(e.category, "TEMPLATES=include")) > 0 {
		if e.lenient {
			return ""
		}
		return "Create category did not complete successfully"
	}
	s := &section{name: e.category, template: e.template}
	for parent := range strings.SplitSeq(e.inherit, ",") {
		if parent != "" && s.inherit(*c, parent) != nil {
			return "Template category not found"
		}
	}
	*c = append(*c, s)
	return ""
}

// change applies an edit to one section and returns whether it had an effect.
func (c *config) change(s *section, e edit) bool {
	fits := func(v variable) bool {
		return strings.EqualFold(v.name, e.variable) && (e.match == "" || strings.EqualFold(v.value, e.match))
	}
	switch e.verb {
	case "renamecat":
		s.name = e.value
	case "delcat":
		*c = slices.DeleteFunc(*c, func(other *section) bool { return other == s })
	case "emptycat":
		s.vars = nil
	case "append":
		s.vars = append(s.vars, variable{name: e.variable, value: e.value})
	case "insert":
		n, err := strconv.Atoi(e.line)
		if err != nil || n < 0 {
			return false
		}
		s.vars = slices.Insert(s.vars, min(n, len(s.vars)), variable{name: e.variable, value: e.value})
	case "delete":
		before := len(s.vars)
		if n, err := strconv.Atoi(e.line); err == nil && n >= 0 && n < before {
			s.vars = slices.Delete(s.vars, n, n+1)
			return true
		}
		s.vars = slices.DeleteFunc(s.vars, fits)
		return len(s.vars) < before
	case "update":
		// Asterisk 16 to 22 replace the first match, even if it is inherited.
		i := slices.IndexFunc(s.vars, fits)
		if i < 0 {
			return false
		}
		s.vars[i] = variable{name: e.variable, value: e.value}
	}
	return true
}
