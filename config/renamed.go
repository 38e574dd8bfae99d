package config

import (
	"fmt"
	"reflect"
	"strconv"
)

// Warning is a name in the file that has a new one by now. The old name still
// works, so an upgrade never keeps the daemon from starting.
type Warning struct {
	File string
	Line int    // 1-based; 0 when unknown
	Old  string // as the file has it: a dotted key, or a quoted value
	New  string
	Text string // what else is to be known; Old and New are empty then
}

// String is one line for an administrator, without the file.
func (w Warning) String() string {
	where := ""
	if w.Line > 0 {
		where = " (line " + strconv.Itoa(w.Line) + ")"
	}
	if w.Text != "" {
		return w.Text + where
	}
	return fmt.Sprintf("%s is now %s%s: rename it", w.Old, w.New, where)
}

func (p *parser) warn(line int, old, now string) {
	p.warnings = append(p.warnings, Warning{File: p.name, Line: line, Old: old, New: now})
}

// renamedKeys moves values from old keys to new ones. A field of file is an old
// key when its tag `now` names the new one, which is a field beside it. table is
// the path of v: "" or "bans.".
func (p *parser) renamedKeys(table string, v reflect.Value) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		key := table + field.Tag.Get("toml")
		switch now, renamed := field.Tag.Lookup("now"); {
		case renamed && !value.IsNil():
			p.renamedKey(key, value, table+now, fieldOf(v, now))
		case field.Anonymous:
			p.renamedKeys(table, value)
		case field.Type.Kind() == reflect.Struct:
			p.renamedKeys(key+".", value)
		}
	}
}

func (p *parser) renamedKey(old string, from reflect.Value, now string, to reflect.Value) {
	line := p.nearestLine(old)
	if !to.IsNil() {
		text := now + " is its new name, and is set too"
		if other := p.nearestLine(now); other > 0 {
			text += " (line " + strconv.Itoa(other) + ")"
		}
		p.problems = append(p.problems, Problem{File: p.name, Line: line, Key: old, Text: text + ": remove one of them"})
		return
	}
	to.Set(from)
	p.written[now] = old
	p.warn(line, old, now)
}

// fieldOf is the field of a struct that holds a TOML key.
func fieldOf(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("toml") == key {
			return v.Field(i)
		}
	}
	panic("config: no field for the key " + key) // a tag `now` that names no key
}

// renamedSteps maps old names of steps to new ones.
var renamedSteps = map[string]Step{"expire-contacts": StepRemoveRegistrations}

// step reads the name of a step, old or new. key is where it is written.
func (p *parser) step(key, name string) Step {
	now, renamed := renamedSteps[name]
	if !renamed {
		return Step(name)
	}
	p.warn(p.nearestLine(key), "step "+strconv.Quote(name), strconv.Quote(string(now)))
	return now
}

// twice says that a playbook has a step two times. written is how the file names
// it there.
func twice(step Step, written []string) string {
	text := fmt.Sprintf("%q appears twice", step)
	for _, name := range written {
		if renamedSteps[name] == step {
			return text + fmt.Sprintf(": %q is its old name", name)
		}
	}
	return text
}
