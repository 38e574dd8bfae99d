package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the manual pages into a folder", Args: args(cobra.ExactArgs(1)), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writePages(cmd.Root(), args[0])
		},
	}
}

// writePages writes the page of a command and those of the commands under it.
func writePages(cmd *cobra.Command, dir string) error {
	if cmd.Hidden || cmd.Name() == "help" {
		return nil
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(manPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if err := writePages(c, dir); err != nil {
			return err
		}
	}
	return nil
}

// manPage writes a command in man(7).
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"tollwarden %s\" \"Tollwarden\"\n", strings.ToUpper(roff(name)), roff(version()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(cmd.Long))
	}
	cmd.InitDefaultHelpFlag()
	section(&b, "OPTIONS", func(add func(string, string)) {
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { add(flagTerm(f), f.Usage+flagDefault(f)) })
	})
	section(&b, "COMMANDS", func(add func(string, string)) {
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				add(c.UseLine(), c.Short)
			}
		}
	})
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n0 success, 1 failure, 2 wrong usage; status: 0 healthy or starting, 3 not running, 4 degraded.\n")
	return b.String()
}

// section writes tagged paragraphs under a heading, and nothing when there are
// none.
func section(b *strings.Builder, heading string, list func(add func(term, text string))) {
	list(func(term, text string) {
		if heading != "" {
			fmt.Fprintf(b, ".SH %s\n", heading)
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

func flagDefault(f *pflag.Flag) string {
	if f.DefValue == "" || f.DefValue == "false" {
		return ""
	}
	return " (default " + f.DefValue + ")"
}

// roff escapes text: a backslash, a hyphen that is to be copied, and a dot or an
// apostrophe that begins a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "").Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
