package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Say whether an attack would be stopped now", Args: args(cobra.NoArgs),
		Long: "Say whether an attack would be stopped now, and if not, why not. What is not in order comes first.\n" +
			"Exit code: 0 yes, or starting; 3 the daemon is not running; 4 no; 5 no, since it only observes, and\n" +
			"all else is in order. It is starting until Asterisk has named its ports, for 10 seconds at most.",
		Example: "  tollwarden status\n  tollwarden status --verbose\n  tollwarden status >/dev/null || echo \"look at the PBX\"",
	}
	socket, asJSON, verbose := socketFlag(cmd), jsonFlag(cmd), verboseFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := control.Dial(*socket).Status(cmd.Context())
		if errors.Is(err, control.ErrNotRunning) {
			return exitCode{exitNotRunning, err}
		}
		if err != nil {
			return err
		}
		if *asJSON {
			err = output.JSON(cmd.OutOrStdout(), s)
		} else {
			printStatus(cmd.OutOrStdout(), s, *verbose)
		}
		if err == nil && s.Health != control.Healthy && s.Health != control.Starting {
			return exitCode{code: exitDegraded}
		}
		if err == nil && s.Mode == string(config.Observe) {
			return exitCode{code: exitObserving}
		}
		return err
	}
	return cmd
}

// quiet are the checks that have nothing to say unless they fail: one line names them all, so
// that the rest fits on a screen.
var quiet = []string{"pause", "commands", "room", "effect", "attacks", "breaker", "orders"}

func printStatus(w io.Writer, s control.Status, verbose bool) {
	observing := s.Mode == string(config.Observe)
	if observing {
		fmt.Fprintln(w, "OBSERVING: attacks are reported, but not stopped; `tollwarden enforce` begins to stop them")
	}
	if p := s.Pause; p != nil {
		printPause(w, p)
	} else if !observing || s.Health != control.Healthy {
		fmt.Fprintln(w, answer(s))
	}
	fmt.Fprintf(w, "%s · mode %s · %s · since %s\n\n", s.Health, s.Mode, output.Plain(s.Version), output.Time(s.Since))
	if n := len(s.Observing); n > 0 && !observing {
		fmt.Fprintf(w, "only watched, by their mode in the configuration: %s\n\n", output.Join(s.Observing))
	}
	t := output.NewTable(w, "CHECK", "STATE", "DETAIL")
	var also []string
	for _, ok := range []bool{false, true} {
		for _, c := range s.Checks {
			switch {
			case c.OK != ok:
			case ok && !verbose && slices.Contains(quiet, c.Name):
				also = append(also, c.Title())
			default:
				t.Row(c.Title(), map[bool]string{true: "ok", false: "NOT OK"}[ok], c.Detail)
			}
		}
	}
	t.Flush()
	if len(also) > 0 {
		fmt.Fprintf(w, "also ok: %s (details: `tollwarden status --verbose`)\n", output.Plain(strings.Join(also, ", ")))
	}
	printBlocked(w, s.Firewall)
	if g := s.Asterisk.LastGap; g != nil {
		covered := "; no log covers that time: set asterisk.log"
		if g.InLog {
			covered = "; Asterisk's log was read for that time"
		}
		fmt.Fprintf(w, "last gap: no events arrived from %s to %s%s\n", output.Time(g.From), output.Time(g.To), covered)
	}
	if c := s.Config; c != nil {
		printFile(w, *c)
	}
	printFile(w, s.Allow)
	if verbose {
		printInternals(w, s)
	}
}

// answer says in one line whether an attack would be stopped now.
func answer(s control.Status) string {
	switch {
	case s.Health == control.Starting:
		return "The daemon is starting: ask again in some seconds."
	case s.Health != control.Healthy:
		return "AN ATTACK MIGHT NOT BE STOPPED NOW: see what is NOT OK."
	}
	return "An attack would be stopped now."
}

// printBlocked sums up what is blocked.
func printBlocked(w io.Writer, f control.Firewall) {
	closed := ""
	if n := f.NetworksClosed; n > 0 {
		closed = fmt.Sprintf(" (%s closed for SIP and IAX2 over UDP)", incident.Count(n, "network"))
	}
	if n := f.FlowsBlocked; n > 0 {
		closed += fmt.Sprintf(" · single phones blocked: %d", n)
	}
	if n := f.Throttled; n > 0 {
		closed += fmt.Sprintf(" · addresses throttled or closed: %d", n)
	}
	fmt.Fprintf(w, "\nbans in force: %d%s · packets dropped: %d\n", f.Bans, closed, f.PacketsDropped)
	printClosed(w, f.Closed)
}

// printInternals shows what is for those who work on the daemon.
func printInternals(w io.Writer, s control.Status) {
	fmt.Fprintf(w, "events read: %d · gaps: %d\n", s.Asterisk.Events, s.Asterisk.Gaps)
	if len(s.Firewall.Ports) > 0 {
		fmt.Fprintf(w, "UDP ports closed to addresses that may be spoofed: %s\n", portWords(s.Firewall.Ports))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Counters)) {
		if n := s.Counters[name]; n > 0 {
			fmt.Fprintf(w, "  %s: %d\n", name, n)
		}
	}
}

// maxClosed bounds the closed addresses that status lists.
const maxClosed = 20

// printClosed lists the addresses where phones cannot connect anew, since somebody there goes
// on guessing.
func printClosed(w io.Writer, closed []incident.PartialBlock) {
	for _, b := range closed[:min(len(closed), maxClosed)] {
		fmt.Fprintln(w, output.Plain(b.ClosedWords()))
	}
	if n := len(closed) - maxClosed; n > 0 {
		fmt.Fprintf(w, "%d more addresses are closed: `tollwarden bans` lists them\n", n)
	}
}

// portWords lists ports with their sources.
func portWords(ports []control.Port) string {
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = fmt.Sprintf("%d (%s)", p.Port, output.Plain(strings.Join(p.From, ", ")))
	}
	return output.Join(words)
}

// printFile says whether a file differs from what is in force, and lists the old
// names in it.
func printFile(w io.Writer, f control.File) {
	switch {
	case f.Refused != "" && f.Loaded.IsZero():
		fmt.Fprintf(w, "%s could not be read, so none of it is in force: %s\n", output.Plain(f.File), output.Plain(f.Refused))
	case f.Refused != "":
		fmt.Fprintf(w, "%s was refused, and what was loaded before stays in force: %s\n", output.Plain(f.File), output.Plain(f.Refused))
	case f.Changed:
		fmt.Fprintf(w, "%s has changed since it was loaded: `tollwarden reload` activates it\n", output.Plain(f.File))
	}
	for _, warning := range f.Warnings {
		fmt.Fprintf(w, "%s: %s\n", output.Plain(f.File), output.Plain(warning))
	}
}
