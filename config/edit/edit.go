package edit

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Set returns text with a key set to a value: a string, bool, int, []int or []string. key is
// dotted, such as "mode" or "calls.country"; upper and lower case are alike, as they are in
// the configuration. A key that is not there yet goes to the end of its table, and a table
// that is not there to the end of the text. The order of a list that has comments between
// its elements may differ from that of value. text is not modified. The error says, with
// the line, why a person has to make this change.
func Set(text []byte, key string, value any) ([]byte, error) {
	literal, err := format(value)
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", key, err)
	}
	return change(text, key, value, func(d *document, path []string) ([]string, error) {
		if s := d.find(path); s != nil {
			return s.path, d.replace(s, value, literal)
		}
		return d.insert(path, literal)
	})
}

// Remove returns text without a key, and without the comment behind its value. A key that
// is not there is no error. text is not modified.
func Remove(text []byte, key string) ([]byte, error) {
	return change(text, key, nil, func(d *document, path []string) ([]string, error) {
		s := d.find(path)
		if s == nil {
			return nil, d.reachable(path)
		}
		d.splice(s.start, s.end, "")
		return s.path, nil
	})
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// change edits a text and makes sure that nothing but the key has changed. do returns the
// key's path as the text has it; nil if it left the text alone. A nil value is no key.
func change(text []byte, key string, value any, do func(d *document, path []string) ([]string, error)) ([]byte, error) {
	if !bareKey.MatchString(key) {
		return nil, fmt.Errorf("%q: want a key such as calls.country", key)
	}
	var before map[string]any
	if _, err := toml.Decode(string(text), &before); err != nil {
		return nil, fmt.Errorf("change %s: the text is not valid: %w", key, err)
	}
	d, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("change %s: %w", key, err)
	}
	path, err := do(d, strings.Split(key, "."))
	if err != nil {
		return nil, fmt.Errorf("change %s: %w", key, err)
	}
	if path == nil {
		return slices.Clone(text), nil
	}
	var after map[string]any
	if _, err := toml.Decode(d.text, &after); err != nil || !changed(before, after, path, value) {
		return nil, fmt.Errorf("change %s: %w", key, errByHand)
	}
	return []byte(d.text), nil
}

var errByHand = errors.New("the text around it is too unusual to change it safely: change it by hand")

// changed says whether after is before with a value at path.
func changed(before, after map[string]any, path []string, value any) bool {
	name := path[0]
	if len(path) == 1 {
		now, there := after[name]
		if there != (value != nil) || there && !same(now, value) {
			return false
		}
	} else {
		inner, _ := before[name].(map[string]any)
		outer, _ := after[name].(map[string]any)
		if value != nil && outer == nil || !changed(inner, outer, path[1:], value) {
			return false
		}
	}
	for k, v := range before {
		if k != name && !reflect.DeepEqual(v, after[k]) {
			return false
		}
	}
	for k := range after {
		if _, had := before[k]; !had && k != name {
			return false
		}
	}
	return true
}

// same compares a decoded value with one to be set; lists have the same elements.
func same(decoded, value any) bool {
	switch v := value.(type) {
	case int:
		return decoded == int64(v)
	case []int:
		list, ok := decoded.([]any)
		return ok && slices.EqualFunc(list, v, func(a any, b int) bool { return a == int64(b) })
	case []string:
		list, ok := decoded.([]any)
		if !ok || len(list) != len(v) {
			return false
		}
		texts := make([]string, len(list))
		for i, element := range list {
			if texts[i], ok = element.(string); !ok {
				return false
			}
		}
		return slices.Equal(slices.Sorted(slices.Values(texts)), slices.Sorted(slices.Values(v)))
	}
	return decoded == value
}
