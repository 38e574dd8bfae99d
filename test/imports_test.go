package test

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tollwarden/tollwarden"

// pure are the packages of responder without I/O, goroutines or locks (those
// parts of bans and contain that have some reach them through ports).
var pure = []string{
	"ami/event",
	"responder/score", "responder/calls", "responder/incident", "responder/intake", "responder/places",
	"responder/decide", "responder/bans", "responder/contain",
}

// allowed says which of the project's own packages each folder may import.
// A folder speaks for those below it, the longest match wins.
var allowed = map[string][]string{
	"cmd":                {"ami", "config", "firewall", "responder"},
	"ami":                {"ami"},
	"ami/event":          {},
	"config":             {},
	"firewall":           {},
	"responder":          {"ami", "responder"},
	"responder/score":    {"ami/event"},
	"responder/calls":    {"ami/event"},
	"responder/incident": {"ami/event", "responder/score"},
	"responder/intake":   {"ami/event", "responder/score"},
	"responder/places":   {"ami/event", "responder/incident", "responder/score"},
	"responder/decide":   {"ami/event", "responder/incident", "responder/score"},
	"responder/bans":     {"responder/incident"},
	"responder/contain":  {"ami/event", "responder/calls", "responder/incident", "responder/score"},
	"responder/journal":  {"responder/incident"},
	"responder/judge":    pure,
	"responder/replay":   append([]string{"ami", "responder/judge"}, pure...),
	"responder/ledger":   {},
	"responder/control":  {},
	"test":               {"ami", "config", "firewall", "responder", "test"},
}

// Imports run one way: the leaves know nothing of the program, cmd knows
// everything, and no arrow returns.
func TestImportsRunOneWay(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		pkg, err := build.ImportDir(path, 0)
		if err != nil {
			return nil // no Go files here
		}
		folder, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		checked++
		for _, imported := range pkg.Imports {
			if own, ok := strings.CutPrefix(imported, module+"/"); ok && !mayImport(folder, own) {
				t.Errorf("%s imports %s: no import runs that way", folder, own)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < len(allowed)-1 {
		t.Errorf("only %d packages looked at", checked)
	}
}

// The rule itself must be able to refuse.
func TestImportRuleRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"ami", "responder"},
		{"firewall", "ami"},
		{"ami/event", "ami"},
		{"responder/score", "ami"},
		{"responder/calls", "ami"},
		{"responder", "firewall"},
		{"responder", "config"},
		{"config", "responder/score"},
		{"nowhere", "ami"},
		{"ami/peer", "responder/score"},
		{"responder/judge", "responder"},
		{"responder/judge", "responder/journal"},
		{"responder/decide", "responder/bans"},
		{"responder/bans", "responder/ledger"},
		{"responder/contain", "ami/peer"},
		{"responder/replay", "responder"},
		{"responder/replay", "responder/ledger"},
		{"responder/replay", "firewall"},
	} {
		if mayImport(c[0], c[1]) {
			t.Errorf("%s may import %s", c[0], c[1])
		}
	}
}

func mayImport(folder, imported string) bool {
	rule, best := []string(nil), -1
	for prefix, to := range allowed {
		if within(folder, prefix) && len(prefix) > best {
			rule, best = to, len(prefix)
		}
	}
	return slices.ContainsFunc(rule, func(prefix string) bool { return within(imported, prefix) })
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
