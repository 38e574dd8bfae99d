package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/config/edit"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newEnforce() *cobra.Command {
	cmd := &cobra.Command{
		Use: "enforce", Short: "Stop attacks from now on", Args: args(cobra.NoArgs),
		Long: "Stop attacks from now on: write mode = \"enforce\" into the configuration and reload it. Break-ins\n" +
			"that were seen while observing, and that nobody has dealt with, are listed, and you are asked about\n" +
			"each whether to act on it: to hang up its calls, change the password, remove the registrations and\n" +
			"ban the thief's address, or what else the configuration wants done about a break-in. --act acts on\n" +
			"all without asking.",
		Example: "  tollwarden enforce\n  tollwarden enforce --act",
	}
	file := configFlag(cmd)
	socket := socketFlag(cmd)
	act := cmd.Flags().Bool("act", false, "act on all break-ins seen while observing, without asking")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, now, err := switchMode(cmd, *file, *socket, config.Enforce)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), enforcing(now))
		return dealWith(cmd, c, *act)
	}
	return cmd
}

func newObserve() *cobra.Command {
	cmd := &cobra.Command{
		Use: "observe", Short: "Only watch: report attacks, but do not stop them", Args: args(cobra.NoArgs),
		Long: "Only watch: write mode = \"observe\" into the configuration and reload it. Attacks are counted,\n" +
			"recorded and reported, with what would have been done. Bans, locks and changed passwords stay,\n" +
			"and commands by hand work. `tollwarden status` exits with 5.",
		Example: "  tollwarden observe",
	}
	file := configFlag(cmd)
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, _, err := switchMode(cmd, *file, *socket, config.Observe); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "OBSERVING: attacks are reported, but not stopped; what is in force stays, and `tollwarden unban --all` releases every ban")
		return nil
	}
	return cmd
}

// enforcing says that attacks are stopped from now on, or why that is not so yet.
func enforcing(now control.Status) string {
	switch {
	case now.Pause != nil:
		return "mode enforce, but paused: attacks are not stopped until `tollwarden resume`"
	case now.Health != control.Healthy && now.Health != control.Starting:
		return "enforcing, but AN ATTACK MIGHT NOT BE STOPPED NOW: `tollwarden status` says why"
	}
	return "enforcing: attacks are stopped from now on"
}

// switchMode writes a mode into the configuration file and has the daemon reload it. If the
// daemon refuses, or reads another file, the file is as before. now is the daemon's state in
// that mode.
func switchMode(cmd *cobra.Command, path, socket string, mode config.Mode) (c *control.Client, now control.Status, err error) {
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, now, fmt.Errorf("config: %w", err)
	}
	cfg, err := settings.ParseWithoutSecret(path, before)
	if err != nil {
		return nil, now, fmt.Errorf("the configuration is as before, since it has errors: %w", err)
	}
	if !cmd.Flags().Changed("socket") {
		socket = cfg.Socket
	}
	after, err := edit.Set(before, "mode", string(mode))
	if err != nil {
		return nil, now, fmt.Errorf("%s: %w", path, err)
	}
	if err := settings.Rewrite(path, after); err != nil {
		return nil, now, err
	}
	c = control.Dial(socket)
	switch _, err = c.Reload(cmd.Context()); {
	case errors.Is(err, control.ErrNotRunning):
		return nil, now, exitCode{exitNotRunning, fmt.Errorf("mode = %q is in %s now, and in force from the next start: %w", mode, path, err)}
	case err != nil:
		return nil, now, errors.Join(fmt.Errorf("the mode is as before: %w", err), settings.Rewrite(path, before))
	}
	if now, err = c.Status(cmd.Context()); err != nil {
		return nil, now, fmt.Errorf("whether mode %s is in force is not known: %w", mode, err)
	}
	switch {
	case now.Mode == string(mode):
		return c, now, nil
	case now.Config != nil && !sameFile(now.Config.File, path):
		err = fmt.Errorf("the daemon is still in mode %s: it reads %s; change that one with -c; %s is as before", now.Mode, output.Plain(now.Config.File), path)
		return nil, now, errors.Join(err, settings.Rewrite(path, before))
	}
	return nil, now, fmt.Errorf("the daemon is in mode %s: somebody changed %s at the same time: try again", now.Mode, path)
}

// sameFile says whether two paths lead to one file.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// dealWith lists the break-ins that nobody has dealt with, and acts on those that a person
// wants acted on.
func dealWith(cmd *cobra.Command, c *control.Client, act bool) error {
	list, err := c.BreakIns(cmd.Context())
	if err != nil || len(list) == 0 {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "\n%s that nobody has dealt with:\n", incident.Count(len(list), "break-in"))
	for _, b := range list {
		fmt.Fprintln(out, "  "+breakInWords(b))
	}
	if !act && !isTerminal(cmd.InOrStdin()) {
		fmt.Fprintf(out, "\nnothing is done about them yet: `tollwarden enforce --act` acts on all, %s on one\n", incident.AccountCommand("compromise", list[0].Account))
		return nil
	}
	fmt.Fprintln(out)
	answers := bufio.NewReader(cmd.InOrStdin())
	var failed error
	for _, b := range list {
		if !act {
			switch ask(out, answers, fmt.Sprintf("act on %s now? [y]es, [n]o, [a]ll, [q]uit: ", output.Plain(b.Account))) {
			case "y", "yes":
			case "a", "all":
				act = true
			case "q", "quit":
				return failed
			default:
				continue
			}
		}
		failed = errors.Join(failed, actOn(cmd.Context(), out, c, b.Account))
	}
	return failed
}

func actOn(ctx context.Context, out io.Writer, c *control.Client, account string) error {
	done, err := c.ActOn(ctx, control.AccountOrder{Account: account})
	if err != nil {
		return fmt.Errorf("%s: %w", output.Plain(account), err)
	}
	fmt.Fprintln(out, output.PlainLines(done.Message))
	return nil
}

// breakInWords describes a break-in in one line.
func breakInWords(b control.BreakIn) string {
	words := b.Account
	if b.Name != "" {
		words += " " + b.Name
	}
	words += ": somebody else has used it, last seen " + output.Time(b.At)
	if len(b.Addresses) > 0 {
		from := make([]string, len(b.Addresses))
		for n, p := range b.Addresses {
			from[n] = incident.PrefixText(p)
		}
		words += ", from " + strings.Join(from, ", ")
	}
	if b.Calls > 0 {
		words += ", " + incident.Count(b.Calls, "call") + " up NOW"
	}
	if b.Incident != 0 {
		words += fmt.Sprintf(" (incident %d)", b.Incident)
	}
	return output.Plain(words)
}

// ask puts a question and returns the answer in lower case; "q" at the end of the input.
func ask(out io.Writer, answers *bufio.Reader, question string) string {
	fmt.Fprint(out, question)
	line, err := answers.ReadString('\n')
	if err != nil && line == "" {
		fmt.Fprintln(out)
		return "q"
	}
	return strings.ToLower(strings.TrimSpace(line))
}

// isTerminal says whether a person can answer.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return true // a test, which answers
	}
	return isatty.IsTerminal(f.Fd())
}
