package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/decide"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newPause() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pause DURATION", Short: "Pause everything automatic for maintenance", Args: args(cobra.ExactArgs(1)),
		Long: "Pause everything automatic, at most for 24h. Attacks are recorded and reported, with what\n" +
			"would have been done, but nothing is banned, hung up or changed. Bans in force stay, and commands by\n" +
			"hand work. The pause ends by itself, also across a restart, or with `tollwarden resume`; an attack\n" +
			"that goes on afterwards is acted on at its next event. `tollwarden status` shows the pause and exits\n" +
			"with 4.",
		Example: "  tollwarden pause 1h --reason \"moving the phones to the new network\"",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	reason := cmd.Flags().String("reason", "", "why, a `TEXT` for the record and for those who look at status")
	cmd.ValidArgsFunction = cobra.FixedCompletions([]cobra.Completion{"15m", "30m", "1h", "2h", "4h"}, cobra.ShellCompDirectiveNoFileComp)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		within, err := config.ParseDuration(args[0])
		if err != nil {
			return usage(fmt.Errorf("pause %q: %w", args[0], err))
		}
		if within > decide.MaxPause {
			return usage(fmt.Errorf("pause %q: at most 24h; repeat the command before it ends", args[0]))
		}
		done, err := control.Dial(*socket).Pause(cmd.Context(), control.PauseOrder{For: args[0], Reason: *reason})
		return printPaused(cmd, done, err, *asJSON)
	}
	return cmd
}

func newResume() *cobra.Command {
	cmd := &cobra.Command{
		Use: "resume", Short: "End a pause, and let passwords be changed automatically again", Args: args(cobra.NoArgs),
		Long: "End a pause. If passwords are no longer changed automatically, because too many were within an hour\n" +
			"(breaker.accounts), count from zero again, and list the extensions that still wait for a person.\n" +
			"Without a pause, the budgets of calls (calls.budget) count from zero, too, and that of the site, if\n" +
			"it is used up, ends no more calls; an extension whose own is used up needs `tollwarden unlock EXTENSION`.",
		Example: "  tollwarden resume\n  tollwarden resume --waiting",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	waiting := cmd.Flags().Bool("waiting", false, "also do what waits: change the passwords, lock the extensions, remove the registrations")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := control.Dial(*socket)
		done, err := c.Resume(cmd.Context())
		if err != nil || !*waiting {
			return printPaused(cmd, done, err, *asJSON)
		}
		var failed error
		for _, w := range done.Waiting {
			message, err := settle(cmd.Context(), c, w)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", output.Plain(w.Account), err))
				continue
			}
			fmt.Fprintln(cmd.OutOrStdout(), output.PlainLines(message))
		}
		if failed == nil && len(done.Waiting) == 0 {
			return printPaused(cmd, done, nil, *asJSON)
		}
		return failed
	}
	return cmd
}

// settle does for an extension what waits for a person.
func settle(ctx context.Context, c *control.Client, w control.Waiting) (message string, err error) {
	has := func(step incident.StepKind) bool { return slices.Contains(w.Steps, string(step)) }
	if has(incident.StepLock) {
		done, err := c.Lock(ctx, control.AccountOrder{Account: w.Account})
		if err != nil || !has(incident.StepRotate) {
			return done.Message, err
		}
		message = done.Message + "\n"
	}
	if !has(incident.StepRotate) {
		return "", fmt.Errorf("only its registrations wait to be removed: %s, or %s if it is in order", incident.AccountCommand("rotate", w.Account, "--expire"), incident.AccountCommand("unlock", w.Account))
	}
	done, err := c.Rotate(ctx, control.AccountOrder{Account: w.Account, Expire: has(incident.StepRemoveRegistrations)})
	return message + done.Message, err
}

func printPaused(cmd *cobra.Command, done control.Paused, err error, asJSON bool) error {
	if err != nil {
		return err
	}
	if asJSON {
		return output.JSON(cmd.OutOrStdout(), done)
	}
	fmt.Fprintln(cmd.OutOrStdout(), output.PlainLines(done.Message))
	return nil
}

// printPause says, before anything else, that nothing is done automatically now.
func printPause(w io.Writer, p *control.Pause) {
	reason := ""
	if p.Reason != "" {
		reason = ": " + output.Plain(p.Reason)
	}
	fmt.Fprintf(w, "PAUSED until %s by %s%s\nattacks are reported, but not stopped; `tollwarden resume` ends the pause\n\n", output.Time(p.Until), output.Plain(p.By), reason)
}
