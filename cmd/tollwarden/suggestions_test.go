package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
)

// Every command that the program suggests to a person is one that works: in reports, in
// the steps of incidents, in what status and check say, in errors and in help. The test
// takes them from the texts themselves: from those that it has made, for every kind of
// step, state, address and account, and from every string of the source. Then it runs
// them as a shell and the program do, beside a daemon.

// Accounts and addresses that suggestions name. The PBX has these accounts.
var (
	suggestedAccounts  = []string{"1002", "10 02", "o'brien", "-1006", "$HOME", "*"}
	suggestedAddresses = []string{
		"192.0.2.66", "198.51.100.0/24", "2001:db8:7::/64", "198.51.100.20:59271", "[2001:db8::20]:5060",
	}
)

// suggested finds commands in a text.
var suggested = regexp.MustCompile("`(tollwarden [^`]*)`")

// pool collects commands, each with a text that suggests it.
type pool map[string]string

func (p pool) scan(text string) {
	for _, m := range suggested.FindAllStringSubmatch(text, -1) {
		p[m[1]] = text
	}
}

// steps are the kinds that a playbook can have.
func stepKinds() (kinds []incident.StepKind) {
	for _, s := range config.Steps {
		kinds = append(kinds, incident.StepKind(s))
	}
	return kinds
}

// reports are incidents of every kind, with steps of every kind in every state.
func (p pool) reports(t *testing.T) {
	t.Helper()
	keys := []score.Key{
		{Per: score.PerSource, Prefix: netip.MustParsePrefix("192.0.2.66/32")},
		{Per: score.PerNetwork, Prefix: netip.MustParsePrefix("192.0.2.0/24")},
		{Per: score.PerAccount, Account: "1002"},
		{Per: score.PerSite},
	}
	signals := []score.Signal{score.InvalidPassword, score.SuccessAfterFailures, score.ForbiddenDestination}
	for _, account := range append([]string{""}, suggestedAccounts...) {
		var steps []incident.Step
		for _, kind := range stepKinds() {
			targets := []string{account}
			if kind == incident.StepBan {
				targets = suggestedAddresses
			}
			for _, target := range targets {
				for _, state := range []incident.State{incident.Intended, incident.Done, incident.Failed, incident.Skipped} {
					steps = append(steps, incident.Step{Step: kind, Target: target, State: state, Detail: "a detail"})
				}
			}
		}
		for _, key := range keys {
			for _, mode := range []incident.Mode{incident.Enforce, incident.Observe} {
				for _, bare := range []bool{false, true} {
					i := incident.Incident{ID: 1, At: goldenAt, Key: key, Account: account, Mode: mode, Steps: steps, Bare: bare, Threshold: "x", Playbook: "y"}
					for _, s := range signals {
						i.Evidence = append(i.Evidence, incident.Evidence{Record: score.Record{At: goldenAt, Signal: s, Account: account}})
					}
					p.report(t, i)
				}
			}
		}
	}
}

func (p pool) report(t *testing.T, i incident.Incident) {
	t.Helper()
	var b bytes.Buffer
	r := report.Of(i, time.UTC)
	if err := errors.Join(r.Text(&b), r.HTML(&b)); err != nil {
		t.Fatal(err)
	}
	p.scan(html.UnescapeString(b.String()))
}

// decisions are the details of steps as they are planned, and what is advised about
// attacks that go on.
func (p pool) decisions() {
	ladder := decide.Ladder{Times: []time.Duration{time.Hour}, Spoofable: []time.Duration{time.Minute}}
	threshold := &score.Threshold{Name: "x", Per: score.PerSource, Points: map[score.Signal]int{score.InvalidPassword: 1}, Score: 1, Within: time.Hour}
	for _, target := range []string{"192.0.2.66/32", "2001:db8:7::/64", "198.51.100.0/24", ""} {
		for bits := range 1 << 8 {
			on := func(n int) bool { return bits>>n&1 > 0 }
			f := decide.Facts{Allowed: on(0), Full: on(1), Observe: on(2), Throttles: on(3), DropsFlows: on(4), Closes: on(4), CloseFor: time.Hour, Channel: "PJSIP/1002-1"}
			f.Target, _ = netip.ParsePrefix(target)
			if on(5) {
				f.Protected = "a phone"
			}
			if on(6) {
				f.Sharing = decide.ProxyPhones
			}
			if on(7) {
				f.Flow = &incident.Flow{At: netip.MustParseAddrPort("[2001:db8::20]:5060"), Phone: "the phone of extension \"1002\"", For: time.Minute}
				p.scan(f.Flow.Dropped(goldenAt))
			}
			p.scan(decide.Remedy(f))
			v := &score.Verdict{At: goldenAt, Threshold: threshold, Key: score.Key{Per: score.PerSource, Prefix: f.Target}}
			v.Cause = score.Record{At: goldenAt, Signal: score.InvalidPassword, Account: "1002", Transport: event.UDP}
			for _, s := range decide.Plan(v, stepKinds(), ladder, f) {
				p.scan(s.Detail)
			}
		}
	}
}

// source finds the commands in every string of the program, and reports those that a
// string only begins: what is put together must be quoted, which incident.Command does.
func (p pool) source(t *testing.T) {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, dir := range []string{"cmd", "responder", "ami", "firewall", "config"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".toml" && filepath.Base(filepath.Dir(path)) == "texts" {
				text, err := os.ReadFile(path) // of reports and messages, in each language
				p.scan(string(text))
				return err
			}
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					text = strings.ReplaceAll(text, "%d", "1")
					if strings.Contains(suggested.ReplaceAllString(text, ""), "`tollwarden ") || strings.Contains(strings.Join(suggested.FindAllString(text, -1), ""), "%") {
						t.Errorf("%s: %q makes a command: incident.Command quotes what has to be quoted", path, text)
					}
					p.scan(text)
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

// exampleOf begins the origin of an example, which names what need not exist.
const exampleOf = "the example of "

// help finds the commands in help texts and examples.
func (p pool) help(cmd *cobra.Command) {
	p.scan(cmd.Long)
	for line := range strings.Lines(cmd.Example) {
		if line = strings.TrimSpace(line); line != "" {
			p[line] = exampleOf + cmd.CommandPath()
		}
	}
	for _, c := range cmd.Commands() {
		p.help(c)
	}
}

// placeholders stand for what the reader puts in.
var placeholders = strings.NewReplacer("ACCOUNT", "1002", "EXTENSION", "1002", "ADDRESS", "192.0.2.66", "ADDR", "192.0.2.66")

// splitCommands splits command lines into words as bash does. What a line leads into or
// out of the program is dropped.
func splitCommands(t *testing.T, lines []string) (words [][]string) {
	t.Helper()
	script := "tollwarden() { printf '%s\\0' \"$@\" >&3; }\nexec 3>&1\n"
	for _, line := range lines {
		script += "{ " + placeholders.Replace(line) + " ; } >/dev/null\nprintf '\\1\\0' >&3\n"
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-eu", "-c", script)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bash: %v\n%s", err, script)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x01\x00"), "\x01\x00") {
		words = append(words, strings.Split(strings.TrimSuffix(line, "\x00"), "\x00"))
	}
	return words
}

// asksDaemon says whether a command asks a daemon. Of others only the words are looked
// at.
func asksDaemon(cmd *cobra.Command) bool { return cmd.Flags().Lookup("socket") != nil }

// withSocket names the daemon's socket in a command line.
func withSocket(words []string, socket string) []string {
	at := slices.Index(words, "--")
	if at < 0 {
		at = len(words)
	}
	return slices.Concat(words[:at], []string{"--socket", socket}, words[at:])
}

// parses says whether the program takes the words of a command.
func parses(words []string) error {
	root := newRoot()
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(words)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	return err
}

func TestSuggestionsWork(t *testing.T) {
	p := pool{}
	p.reports(t)
	p.decisions()
	p.source(t)
	p.help(newRoot())
	s := startSuggestionSite(t)
	for _, seed := range []string{"unban 203.0.113.5", "unban 203.0.113.5:5060", "unban 192.0.2.9:5060", "incident 77", "status", "nothing"} {
		_, text := s.run(t, strings.Fields(seed))
		p.scan(text)
	}
	tried := map[string]bool{}
	for round := 0; ; round++ { // what the commands themselves suggest is run as well
		lines := slices.DeleteFunc(slices.Sorted(maps.Keys(p)), func(line string) bool { return tried[line] })
		if len(lines) == 0 {
			break
		}
		for i, words := range splitCommands(t, lines) {
			tried[lines[i]] = true
			if err := parses(words); err != nil {
				t.Errorf("%s: %v; suggested by %.300q", lines[i], err, p[lines[i]])
				continue
			}
			if cmd, _, _ := newRoot().Find(words); !asksDaemon(cmd) || strings.HasPrefix(p[lines[i]], exampleOf) {
				continue
			}
			code, text := s.run(t, words)
			if code == exitUsage || refusedSuggestion.MatchString(text) {
				t.Errorf("%s: exit code %d, %s; suggested by %.300q", lines[i], code, text, p[lines[i]])
			}
			p.scan(text)
		}
	}
	t.Logf("%d commands", len(tried))
	for _, want := range []string{"tollwarden unban '[2001:db8::20]:5060'", "tollwarden rotate '10 02'", "tollwarden hangup -- -1006", "tollwarden ban 2001:db8:7::/64 --force", "tollwarden unban 203.0.113.0/24"} {
		if !tried[want] {
			t.Errorf("the test did not find %q", want)
		}
	}
}

// refusedSuggestion is what a suggestion must not be answered with.
var refusedSuggestion = regexp.MustCompile(`(?i)unknown|there is no|no such|want `)

// suggestionSite is a daemon beside a PBX with accounts of odd names, an incident and
// bans.
type suggestionSite struct{ socket, config string }

func (s suggestionSite) run(t *testing.T, words []string) (code int, text string) {
	t.Helper()
	words = withSocket(words, s.socket)
	if cmd, _, err := newRoot().Find(words); err == nil && cmd.Flags().Lookup("config") != nil {
		words = slices.Concat(words[:1], []string{"-c", s.config}, words[1:])
	}
	return tollwarden(t, words...)
}

func startSuggestionSite(t *testing.T) suggestionSite {
	t.Helper()
	dir, err := os.MkdirTemp("", "tw") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	pbx, err := amitest.Start(amitest.Options{
		ConfigDir: dir, AuthDelay: time.Millisecond,
		Users: []amitest.User{{Name: "tollwarden", Secret: "s", Read: "security,call", Write: "system,config,command,call,reporting"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range suggestedAccounts {
		if err := pbx.AddAccount(amitest.Account{Name: name, Secret: "easy-to-guess"}); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := strings.Cut(pbx.Address(), ":")
	file := filepath.Join(dir, "t.toml")
	text := fmt.Sprintf("data = %q\nsocket = %q\n[asterisk]\naddress = \"127.0.0.1:%s\"\nusername = \"tollwarden\"\nsecret = \"s\"\nconfig_dir = %q\n", dir, dir+"/s", port, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	source, cfg, err := settings.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.New(t.Context(), daemon.Options{
		Config: cfg, File: source, Log: zerolog.Nop(), Version: "test",
		Firewall: func(c firewall.Config, _ zerolog.Logger) (firewall.Table, error) { return firewall.NewMemory(c), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		err := <-ended
		d.Close()
		if err := errors.Join(err, pbx.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	s := suggestionSite{socket: dir + "/s", config: file}
	s.prepare(t, pbx)
	return s
}

// prepare makes an incident and a ban of a network.
func (s suggestionSite) prepare(t *testing.T, pbx *amitest.PBX) {
	t.Helper()
	client := control.Dial(s.socket)
	for deadline, n := time.Now().Add(20*time.Second), 0; ; n++ {
		if time.Now().After(deadline) {
			t.Fatal("no incident")
		}
		pbx.Security(amitest.SecurityEvent{
			Event: "ChallengeResponseFailed", Severity: "Error", Account: "1002", Session: fmt.Sprint("call-", n), Local: "IPV4/TCP/192.0.2.1/5060",
			Remote: amitest.Address("TCP", netip.MustParseAddrPort("192.0.2.77:5060")),
			Extra:  []ami.Field{{Name: "Challenge", Value: "1/a"}, {Name: "Response", Value: "b"}, {Name: "ExpectedResponse", Value: ""}},
		})
		if list, err := client.Incidents(t.Context(), 1); err == nil && len(list) > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := client.Ban(t.Context(), control.BanOrder{Prefix: netip.MustParsePrefix("203.0.113.0/24"), For: "1h"}); err != nil {
		t.Fatal(err)
	}
}
