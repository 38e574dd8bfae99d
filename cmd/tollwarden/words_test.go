package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

// forbidden are words that mean something to those who work on Tollwarden and nothing, or
// something else, to those who administer a PBX. People read: extension, IP address,
// confirmed or may be spoofed, an address that never used this extension, wrong passwords,
// times banned, limited to its known networks, records, test event, registrations removed.
var forbidden = regexp.MustCompile(`(?i)\b(accounts?|sources?|strangers?|storms?|shelter\w*|besieged|proven|claimed|canary|canaries|ledger|offences?|verdicts?|` +
	`scor(e|es|ed|ing)|expire-contacts|machine-dialled|muted_\w+|challenges_seen|nearest threshold|share)\b`)

// exact is what has to be written as it is: quoted, a path, a key, a field of a template, an
// option, a command.
var exact = regexp.MustCompile(`"[^"\n]*"|` + "`[^`\n]*`" + `|\{\{.*?\}\}|\{[^}\n]*\}|(/[\w*.-]+)+/?|\b[a-z_]+(\.[a-z_]+)+\b|\.[A-Z][A-Za-z.]*|--[a-z-]+`)

// meantSo are sentences in which such a word means what it means to everybody.
var meantSo = strings.NewReplacer(
	"built from source", "", "second source of events", "", "source NAT", "", "add up to this score", "", "source <(", "", "source bash", "",
)

// unplain is the first forbidden word of a line; "" if there is none.
func unplain(line string) string {
	return forbidden.FindString(exact.ReplaceAllString(meantSo.Replace(line), ""))
}

func plainly(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if word := unplain(line); word != "" {
			t.Errorf("%s: people do not know what %q is: %s", what, word, strings.TrimSpace(line))
		}
	}
}

// Help, and so the manual pages, which are made of it.
func TestHelpIsPlain(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "completion" { // that is cobra's
			return
		}
		path := strings.Fields(cmd.CommandPath())[1:]
		_, text := tollwarden(t, append(path, "--help")...)
		plainly(t, cmd.CommandPath()+" --help", text)
		plainly(t, "the page of "+cmd.CommandPath(), strings.ReplaceAll(manPage(cmd), `\-`, "-"))
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if argument, _ := pflag.UnquoteUsage(f); !f.Hidden && slices.Contains([]string{"string", "strings", "int", "duration"}, argument) {
				t.Errorf("%s --%s takes %q, which is a type of Go's: name the argument in backquotes", cmd.CommandPath(), f.Name, argument)
			}
		})
		if cmd.HasParent() && !cmd.Parent().HasParent() && cmd.GroupID == "" {
			t.Errorf("%s is in no group of the help: put it into groups (help.go)", cmd.CommandPath())
		}
		if cmd.HasParent() && cmd.Name() != "help" && cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(newRoot())
}

// The comments of the reference. Its keys have names that have to stay.
func TestReferenceIsPlain(t *testing.T) {
	for line := range strings.Lines(string(config.Reference)) {
		_, comment := splitComment(line)
		if !tomlExact.MatchString(comment) {
			plainly(t, "reference.toml", comment)
		}
	}
}

// What the commands print of a daemon that has something to say about everything.
func TestOutputIsPlain(t *testing.T) {
	f := &fakeDaemon{health: control.Degraded}
	socket := serve(t, f)
	for _, line := range []string{
		"status", "bans", "bans --watch", "addresses", "extensions", "incidents", "incidents --watch", "orders", "spending", "allow list",
		"rotate 1002", "hangup 1002", "lock 1002", "unlock 1002", "compromise 1002", "trust 1002 192.0.2.1", "unban 192.0.2.66", "unban", "ban nonsense",
		"ban 192.0.2.1 --scope nothing", "pause soon", "resume --waiting", "reload", "incident 42", "incident none", "addresses --networks",
		"first-hour -c " + filepath.Join(t.TempDir(), "none"),
	} {
		_, got := tollwarden(t, append(strings.Fields(line), "--socket", socket)...)
		if got == "" {
			t.Errorf("%s prints nothing", line)
		}
		plainly(t, line, got)
	}
	for _, args := range [][]string{{"stauts"}, {"rotate"}, {"rotate", "1", "--expir"}, {"status", "--socket", socket + "-"}, {"allow", "ad"}, {"import", "fail2ban", "--bantime", "soon"}} {
		_, got := tollwarden(t, args...)
		plainly(t, strings.Join(args, " "), got)
	}
	if _, got := tollwarden(t, "status", "--verbose", "--socket", socket); !strings.Contains(got, "verdicts") && !strings.Contains(got, "incidents: 2") {
		t.Errorf("the internals are not to be seen:\n%s", got)
	}
}

// A status fits on a screen.
func TestStatusFitsOnAScreen(t *testing.T) {
	f := &fakeDaemon{health: control.Healthy}
	_, got := tollwarden(t, "status", "--socket", serve(t, f))
	if first, _, _ := strings.Cut(got, "\n"); first != "An attack would be stopped now." {
		t.Errorf("the first line is %q", first)
	}
	if n := strings.Count(got, "\n"); n > 24 {
		t.Errorf("%d lines:\n%s", n, got)
	}
}

// Nor do the checks of a real daemon fill more than a screen. Those that have nothing to say
// share a line, and names that only the source knows are not shown.
func TestQuietChecksShareALine(t *testing.T) {
	status := control.Status{Health: control.Healthy, Mode: "enforce"}
	for _, name := range []string{
		"pause", "events", "commands", "canary", "kernel", "room", "ports", "effect", "attacks", "breaker", "orders", "phones",
		"files", "allow", "wire", "ledger", "log", "new passwords", "steps", "passwords",
	} {
		status.Checks = append(status.Checks, control.Check{Name: name, OK: true, Detail: "as it should be"})
	}
	var brief, whole, failing strings.Builder
	printStatus(&brief, status, false)
	if n := strings.Count(brief.String(), "\n"); n > 20 {
		t.Errorf("%d lines:\n%s", n, brief.String())
	}
	if !strings.Contains(brief.String(), "also ok: pause, commands, room for blocks, blocks hold, ") {
		t.Errorf("the quiet checks are not named:\n%s", brief.String())
	}
	printStatus(&whole, status, true)
	if n := strings.Count(whole.String(), "as it should be"); n != len(status.Checks) {
		t.Errorf("--verbose shows %d checks of %d:\n%s", n, len(status.Checks), whole.String())
	}
	if internal := regexp.MustCompile(`(?m)^(wire|steps|effect|breaker|room|canary|ledger)  `).FindString(whole.String()); internal != "" {
		t.Errorf("%q says nothing to people:\n%s", internal, whole.String())
	}
	status.Checks[0].OK = false
	printStatus(&failing, status, false)
	if !strings.Contains(failing.String(), "STATE   DETAIL\npause") || strings.Contains(failing.String(), "also ok: pause") {
		t.Errorf("what fails does not come first:\n%s", failing.String())
	}
}

// othersWords are folders and files whose texts nobody reads, or which write a format.
var othersWords = []string{
	"responder/ledger/", "responder/cdr/", "responder/web/", "responder/score/", "ami/amitest/", "ami/logfile/", "ami/event/",
	"ami/pbx/newpassword.go", "responder/notify/template.go", "responder/orders/order.go",
}

// Every sentence in the source that could reach a person.
func TestSentencesArePlain(t *testing.T) {
	root := filepath.Join("..", "..")
	for _, dir := range []string{"cmd", "responder", "ami", "firewall"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || slices.ContainsFunc(othersWords, func(dir string) bool { return strings.HasPrefix(name, dir) }) {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Field:
					return n.Tag == nil
				case *ast.BasicLit:
					if text, _ := strconv.Unquote(n.Value); n.Kind == token.STRING && strings.Contains(strings.TrimSpace(text), " ") {
						plainly(t, name, text)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
