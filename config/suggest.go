package config

import (
	"reflect"
	"strings"
)

// suggest is the key that a person most likely meant, "" when none is close.
func suggest(unknown string) string {
	best, distance := "", 3
	for _, key := range keysOf("", reflect.TypeFor[file]()) {
		if strings.Count(key, ".") != strings.Count(unknown, ".") {
			continue
		}
		if d := EditDistance(unknown, key); d < distance {
			best, distance = key, d
		}
	}
	return best
}

// keysOf lists the dotted keys of a table, without old names.
func keysOf(table string, t reflect.Type) (keys []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Tag.Get("now") != "" {
			continue
		}
		if field.Anonymous {
			keys = append(keys, keysOf(table, field.Type)...)
			continue
		}
		key := table + field.Tag.Get("toml")
		keys = append(keys, key)
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, keysOf(key+".", inner)...)
		}
	}
	return keys
}

// EditDistance counts the bytes to insert, remove or replace to make b of a.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal
			} else {
				row[j+1] = 1 + min(diagonal, above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
