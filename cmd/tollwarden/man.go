package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tollwarden/tollwarden/config"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages into a folder", Args: args(cobra.ExactArgs(1)), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			if err := writePages(cmd.Root(), args[0]); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(args[0], "tollwarden.toml.5"), []byte(tomlPage(string(config.Reference))), 0o644)
		},
	}
}

// writePages writes the page of a command and those of the commands under it.
func writePages(cmd *cobra.Command, dir string) error {
	if cmd.Hidden || cmd.Name() == "help" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(dir, pageName(cmd)+".1"), []byte(manPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if err := writePages(c, dir); err != nil {
			return err
		}
	}
	return nil
}

// pageName is the name of a command's page, such as tollwarden-allow-add.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage writes a command in man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	name := pageName(cmd)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"tollwarden %s\" \"Tollwarden\"\n", strings.ToUpper(roff(name)), roff(version()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", strings.ReplaceAll(roff(cmd.Long), "\n\n", "\n.PP\n"))
	}
	cmd.InitDefaultHelpFlag()
	section(&b, "OPTIONS", func(add func(string, string)) {
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { add(flagTerm(f), flagText(f)) })
	})
	commandSections(&b, cmd)
	section(&b, "FILES", func(add func(string, string)) {
		for _, f := range files {
			if f.flag == "" && !cmd.HasParent() || cmd.Flags().Lookup(f.flag) != nil {
				add(f.path, f.what)
			}
		}
	})
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.EX\n%s\n.EE\n", roff(cmd.Example))
	}
	section(&b, "EXIT STATUS", func(add func(string, string)) {
		for _, s := range exitStatus {
			if !s.ofStatus || cmd.Name() == "status" || !cmd.HasParent() {
				add(s.code, s.what)
			}
		}
	})
	fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", seeAlso(cmd))
	return b.String()
}

// files are those that the commands with a flag use; without a flag, those of the program.
var files = []struct{ flag, path, what string }{
	{"", "/etc/tollwarden/tollwarden.toml", "The configuration; see tollwarden.toml(5)."},
	{"config", "/etc/tollwarden/tollwarden.toml", "The configuration; see tollwarden.toml(5)."},
	{"", "/run/tollwarden.sock", "The socket through which the commands reach the daemon."},
	{"socket", "/run/tollwarden.sock", "The socket through which the command reaches the daemon."},
	{"", "/var/lib/tollwarden/ledger.db", "The records: what happened, and what must survive a restart."},
	{"", "/var/lib/tollwarden/allow", "The allow list that `tollwarden allow` changes."},
	{"", "/var/lib/tollwarden/secrets", "The passwords that Tollwarden has set, which `tollwarden secret EXTENSION` shows."},
	{"", "/usr/share/doc/tollwarden/reference.toml", "Every key of the configuration with its default."},
}

// exitStatus is what the commands return. Some are of `tollwarden status` alone.
var exitStatus = []struct {
	code, what string
	ofStatus   bool
}{
	{"0", "Success.", false},
	{"1", "Failure.", false},
	{"2", "Wrong usage.", false},
	{"0", "Of status: an attack would be stopped now, or the daemon is starting.", true},
	{"3", "Of status: the daemon is not running.", true},
	{"4", "Of status: an attack might not be stopped now.", true},
	{"5", "Of status: an attack would be noticed, but not stopped: mode observe.", true},
}

// commandSections lists the commands under a command, under the headings of the help.
func commandSections(b *strings.Builder, cmd *cobra.Command) {
	add := func(heading, id string) {
		section(b, heading, func(add func(string, string)) {
			for _, c := range cmd.Commands() {
				if c.IsAvailableCommand() && c.GroupID == id {
					add(c.UseLine(), c.Short)
				}
			}
		})
	}
	for _, g := range cmd.Groups() {
		add("COMMANDS: "+strings.ToUpper(strings.TrimSuffix(g.Title, ":")), g.ID)
	}
	add("COMMANDS", "")
}

// seeAlso lists the pages around a command: above it, under it, and under its heading.
func seeAlso(cmd *cobra.Command) string {
	var pages []string
	add := func(c *cobra.Command) {
		if c != cmd && c.IsAvailableCommand() && c.Name() != "help" {
			pages = append(pages, roff(pageName(c))+"(1)")
		}
	}
	if parent := cmd.Parent(); parent != nil {
		pages = append(pages, roff(pageName(parent))+"(1)")
		for _, c := range parent.Commands() {
			if c.GroupID == cmd.GroupID {
				add(c)
			}
		}
	}
	for _, c := range cmd.Commands() {
		add(c)
	}
	pages = append(pages, "tollwarden.toml(5)")
	for i, page := range pages {
		title, number, _ := strings.Cut(page, "(")
		pages[i] = ".BR " + title + " (" + number
	}
	return strings.Join(pages, " ,\n")
}

// section writes tagged paragraphs under a heading, and nothing when there are
// none.
func section(b *strings.Builder, heading string, list func(add func(term, text string))) {
	list(func(term, text string) {
		if heading != "" {
			fmt.Fprintf(b, ".SH %s\n", roff(heading))
			heading = ""
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(term), roff(text))
	})
}

func flagTerm(f *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(f)
	term := strings.TrimSpace("--" + f.Name + " " + value)
	if f.Shorthand != "" {
		term = "-" + f.Shorthand + ", " + term
	}
	return term
}

// flagText is what a flag does, and its default.
func flagText(f *pflag.Flag) string {
	_, text := pflag.UnquoteUsage(f)
	if f.DefValue == "" || f.DefValue == "false" || f.DefValue == "[]" {
		return text
	}
	return text + " (default " + f.DefValue + ")"
}

// roffEscapes are the characters that roff takes for something else: of a program's text,
// a hyphen and quotes are to be copied.
var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "~", `\(ti`, "^", `\(ha`, "…", "...")

// roff escapes text, prints what is between backquotes in bold, and keeps a dot that begins
// a line from being a request.
func roff(s string) string {
	s = roffEscapes.Replace(s)
	for bold := true; strings.Contains(s, "`"); bold = !bold {
		s = strings.Replace(s, "`", map[bool]string{true: `\fB`, false: `\fR`}[bold], 1)
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
