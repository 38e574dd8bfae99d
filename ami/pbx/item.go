package pbx

import (
	"slices"
	"strings"

	goami "github.com/heltonmarx/goami/ami"

	"github.com/tollwarden/tollwarden/ami"
)

// once reports whether each of the headers is in the item exactly once: a value
// that breaks out of its line could bring a second one.
func once(item goami.Response, names ...string) bool {
	for _, name := range names {
		if len(item[name]) != 1 {
			return false
		}
	}
	return true
}

// own is a copy of a header's value: goami's is a view of the whole item, which
// it would keep in memory.
func own(item goami.Response, name string) string { return strings.Clone(item.Get(name)) }

// named are the items with exactly one name.
func named(items []goami.Response) []goami.Response {
	return slices.DeleteFunc(items, func(item goami.Response) bool { return !once(item, "ObjectName") })
}

// list splits a comma separated list of names.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// responseOf gives an item that goami did not read the form of one that it did.
func responseOf(m ami.Message) goami.Response {
	r := goami.Response{}
	for _, f := range m {
		r[f.Name] = append(r[f.Name], f.Value)
	}
	return r
}
