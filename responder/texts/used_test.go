package texts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// users are the packages whose sentences are in the files of this one.
var users = []string{"../report", "../notify"}

// goFiles parses the sources of a package.
func goFiles(t *testing.T, dir string) (list []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, file)
	}
	return list
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// Every text that is asked for by its whole name exists, and gets all its parameters.
func TestTextsAreUsedAsTheyAre(t *testing.T) {
	asked := 0
	for _, dir := range users {
		for _, file := range goFiles(t, dir) {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				f, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || f.Sel.Name != "say" && f.Sel.Name != "Say" {
					return true
				}
				key, ok := literal(call.Args[0])
				if !ok {
					return true
				}
				asked++
				text, ok := english.texts[key]
				if !ok {
					t.Errorf("%s: there is no text %s", dir, key)
					return true
				}
				var given []string
				for n := 1; n < len(call.Args); n += 2 {
					name, _ := literal(call.Args[n])
					given = append(given, "{"+name+"}")
				}
				for _, p := range parameter.FindAllString(text.one+text.other, -1) {
					if !slices.Contains(given, p) && key != "user.subject" && key != "user.text" {
						t.Errorf("%s: %s lacks the parameter %s", dir, key, p)
					}
				}
				return true
			})
		}
	}
	if asked < 100 {
		t.Errorf("only %d texts are asked for", asked)
	}
}

// sentence is what a person reads: at least three words of letters with spaces between them.
var sentence = regexp.MustCompile(`\pL{2,} \pL+ \pL{2,}`)

// elsewhere are words that are no part of a message: those that other packages write and
// that are read here, commands, and what an incident and the log record of a delivery, which
// is in English whatever the language of messages.
var elsewhere = []string{
	"its phones that need the new password were last seen at ", " (SIP and IAX2 over UDP only",
	"^(?:(\\d+) address(?:es)?)?(?: and )?(?:(\\d+) networks?)? that may be spoofed (were not|was not|were|was|would be) blocked",
	"channel request hangup ", "`asterisk -rx \"core show channels\"`",
	": will be in the next digest", ", but not to everyone: ", "no receiver is configured", "e-mail to users", "e-mail to a user", "to a user", "to the user of ",
	"this is a sample that `tollwarden check --notify` sent: nothing has happened", // an incident's reason
	"kept in secrets", "the help desk", // examples that templates are checked with
}

// No sentence that people read is in the code.
func TestSentencesAreInTheFiles(t *testing.T) {
	for _, dir := range users {
		for _, file := range goFiles(t, dir) {
			var skip []ast.Node // errors, and what is logged
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if f, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Errorf", "New", "Msg", "panic"}, f.Sel.Name) {
						skip = append(skip, call)
					}
				}
				return true
			})
			ast.Inspect(file, func(n ast.Node) bool {
				e, ok := n.(ast.Expr)
				if !ok || slices.Contains(skip, n) {
					return !slices.Contains(skip, n)
				}
				if s, ok := literal(e); ok && sentence.MatchString(s) && !slices.Contains(elsewhere, s) {
					t.Errorf("%s: %q belongs into the files of texts", dir, s)
				}
				return true
			})
		}
	}
	for _, dir := range users {
		pages, _ := filepath.Glob(filepath.Join(dir, "*.html"))
		for _, path := range pages {
			page, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, body, _ := strings.Cut(string(page), "<body")
			for _, words := range regexp.MustCompile(`>([^<{]*)[<{]`).FindAllStringSubmatch(body, -1) {
				if strings.ContainsFunc(words[1], func(r rune) bool { return r >= 'A' && r <= 'z' }) {
					t.Errorf("%s: %q belongs into the files of texts", path, words[1])
				}
			}
		}
	}
}
