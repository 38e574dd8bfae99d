package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
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
	"responder/score", "responder/numbers", "responder/calls", "responder/incident", "responder/intake", "responder/places",
	"responder/decide", "responder/bans", "responder/contain", "responder/sip", "responder/binds", "responder/slow",
	"responder/spending", "responder/orders", "responder/gate", "responder/cdr", "responder/history", "responder/partial", "responder/phones", "responder/ongoing", "responder/effect",
}

// allowed says which of the project's own packages each folder may import.
// A folder speaks for those below it, the longest match wins.
var allowed = map[string][]string{
	"cmd": {"ami", "cmd", "config", "firewall", "responder"},

	"cmd/tollwarden/settings":   {"ami", "config", "firewall", "responder"},
	"cmd/tollwarden/output":     {"responder/report"},
	"cmd/tollwarden/operator":   {},
	"cmd/tollwarden/daemon":     {"ami", "cmd/tollwarden/output", "cmd/tollwarden/settings", "config", "firewall", "responder"},
	"cmd/tollwarden/replayview": {"ami/logfile", "cmd/tollwarden/output", "responder/incident", "responder/replay"},

	"ami":                {"ami"},
	"ami/event":          {},
	"ami/pbx":            {"ami", "responder/binds", "responder/calls", "responder/contain", "responder/incident", "responder/orders", "responder/people", "responder/places"},
	"config":             {},
	"firewall":           {},
	"responder":          {"ami", "responder"},
	"responder/score":    {"ami/event"},
	"responder/numbers":  {},
	"responder/calls":    {"ami/event", "responder/numbers", "responder/score"},
	"responder/incident": {"ami/event", "responder/score"},
	"responder/intake":   {"ami/event", "responder/score", "responder/sip"},
	"responder/places":   {"ami/event", "responder/incident", "responder/score"},
	"responder/decide":   {"ami/event", "responder/incident", "responder/score"},
	"responder/bans":     {"responder/incident"},
	"responder/binds":    {},
	"responder/contain":  {"ami/event", "responder/calls", "responder/incident", "responder/orders", "responder/score"},
	"responder/journal":  {"responder/incident"},
	"responder/judge":    pure,
	"responder/replay":   append([]string{"ami", "responder/archive", "responder/judge"}, pure...),
	"responder/ledger":   {"ami/event", "responder/incident", "responder/orders", "responder/score"},
	"responder/control":  {"responder/incident", "responder/score"},
	"responder/orders":   {},
	"responder/sip":      {},
	"responder/slow":     {"ami/event", "responder/score"},
	"responder/texts":    {},
	"responder/spending": {},
	"responder/cdr":      {"ami/event"},
	"responder/archive":  {},
	"responder/history":  {"responder/calls", "responder/cdr", "responder/numbers", "responder/spending"},

	"responder/cdr/database": {"responder/cdr"},

	"responder/effect":  {"ami/event", "responder/bans", "responder/incident", "responder/phones", "responder/places"},
	"responder/ongoing": {"ami/event", "responder/calls", "responder/contain", "responder/decide", "responder/incident", "responder/score"},
	"responder/phones":  {"ami/event", "responder/contain", "responder/decide", "responder/places", "responder/score"},
	"responder/partial": {"ami/event", "responder/bans", "responder/decide", "responder/incident", "responder/score"},
	"responder/gate":    {"responder/calls", "responder/contain", "responder/incident", "responder/numbers", "responder/score", "responder/spending"},
	"test":              {"ami", "config", "firewall", "responder", "test"},
}

// Imports run one way: the leaves know nothing of the program, cmd knows
// everything, and no arrow returns.
func TestImportsRunOneWay(t *testing.T) {
	folders, err := importsBelow(".")
	if err != nil {
		t.Fatal(err)
	}
	for folder, imports := range folders {
		for _, imported := range imports {
			if !mayImport(folder, imported) {
				t.Errorf("%s may not import %s", folder, imported)
			}
		}
	}
	if len(folders) < len(allowed)-1 {
		t.Errorf("only %d packages were checked", len(folders))
	}
}

// The map for contributors names every package.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Packages\n")
	table, _, _ = strings.Cut(table, "\n## ")
	folders, err := importsBelow(".")
	if err != nil {
		t.Fatal(err)
	}
	for folder := range folders {
		if !strings.Contains(table, "`"+folder+"`") && !strings.Contains(table, "`…/"+filepath.Base(folder)+"`") {
			t.Errorf("docs/architecture.md does not name %s", folder)
		}
	}
}

// importsBelow lists, for each package of this module, what it imports from the
// module, as folders from the module's root. The go command finds the root from
// any folder dir of the module, and never leaves it: not for a module around it,
// one inside it, or a workspace.
func importsBelow(dir string) (map[string][]string, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,Module", module+"/...")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return nil, fmt.Errorf("list the packages of %s: %w", module, err)
	}
	folders := map[string][]string{}
	for list := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Module     struct{ Main bool }
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, fmt.Errorf("list the packages of %s: %w", module, err)
		}
		folder, ok := strings.CutPrefix(p.ImportPath, module+"/")
		if !ok || !p.Module.Main {
			continue
		}
		folders[folder] = nil
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, module+"/"); ok {
				folders[folder] = append(folders[folder], own)
			}
		}
	}
}

// Wherever the checkout lies and whatever lies inside it, only its own packages
// are checked.
func TestImportsAreReadFromThisCheckoutAlone(t *testing.T) {
	root := t.TempDir()
	const imports = "package p\n\nimport _ \"" + module + "/responder\"\n"
	for path, text := range map[string]string{
		"go.mod":                                 "module around.example\n\ngo 1.24\n",
		"go.work":                                "go 1.24\n\nuse .\n",
		"ami/outside.go":                         imports,
		"clone/go.mod":                           "module " + module + "\n\ngo 1.24\n",
		"clone/cmd/tollwarden/main.go":           imports,
		"clone/responder/responder.go":           "package responder\n",
		"clone/test/doc.go":                      "package test\n",
		"clone/ami/testdata/p.go":                imports,
		"clone/.worktree/ami/p.go":               imports,
		"clone/another/clone/go.mod":             "module " + module + "\n\ngo 1.24\n",
		"clone/another/clone/ami/p.go":           imports,
		"clone/another/clone/responder/empty.go": "package responder\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []string{"clone", "clone/test"} {
		got, err := importsBelow(filepath.Join(root, from))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string][]string{"cmd/tollwarden": {"responder"}, "responder": nil, "test": nil}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("from %s: packages %v, want %v", from, got, want)
		}
	}
	if got, err := importsBelow(root); err == nil && len(got) > 0 {
		t.Errorf("from outside the checkout: packages %v, want none", got)
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
		{"responder/incident", "responder/ledger"},
		{"responder/ledger", "responder"},
		{"responder", "firewall"},
		{"responder", "config"},
		{"config", "responder/score"},
		{"firewall", "responder/sip"},
		{"responder/sip", "responder"},
		{"nowhere", "ami"},
		{"ami/pbx", "responder/score"},
		{"ami/pbx", "responder"},
		{"responder", "cmd/tollwarden/settings"},
		{"cmd/tollwarden/settings", "cmd/tollwarden/daemon"},
		{"cmd/tollwarden/daemon", "cmd/tollwarden/check"},
		{"cmd/tollwarden/operator", "config"},
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

// The packages that are tested without the race detector leave it nothing to find: neither
// they nor their tests start a goroutine.
func TestSinglePackagesStartNoGoroutine(t *testing.T) {
	out, err := command(t, "make", "-s", "-C", "..", "single")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	folders := strings.Fields(out)
	if len(folders) < 10 {
		t.Errorf("the Makefile lists only %v", folders)
	}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s holds no Go files: %v", folder, err)
		}
		for _, path := range files {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", path)
				case *ast.SelectorExpr:
					if slices.Contains([]string{"Go", "Mutex", "RWMutex", "WaitGroup"}, n.Sel.Name) {
						t.Errorf("%s uses %s", path, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}
