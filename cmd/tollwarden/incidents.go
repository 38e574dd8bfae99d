package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/score"
	"github.com/tollwarden/tollwarden/responder/texts"
)

func newIncidents() *cobra.Command {
	cmd := &cobra.Command{Use: "incidents", Short: "List what happened and what was done, newest first", Args: args(cobra.NoArgs), Example: "  tollwarden incidents --limit 10\n  tollwarden incidents --watch"}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	limit := cmd.Flags().Int("limit", 50, "list at most this `NUMBER`")
	watch := cmd.Flags().Bool("watch", false, "follow new incidents and their steps as they happen; with --json one object per line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *watch {
			return watchIncidents(cmd.Context(), cmd.OutOrStdout(), *socket, *asJSON)
		}
		list, err := control.Dial(*socket).Incidents(cmd.Context(), *limit)
		if err := showIncomplete(cmd, err); err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), list)
		}
		if s, err := control.Dial(*socket).Status(cmd.Context()); err == nil && s.Pause != nil {
			printPause(cmd.OutOrStdout(), s.Pause)
		}
		t := output.NewTable(cmd.OutOrStdout(), "ID", "AT", "WHO", "WHAT", "COST", "WHAT WAS DONE")
		for _, i := range list {
			t.Row(fmtID(i.ID), output.Time(i.At), who(&i), i.Threshold, cost(i.Cost), stepSummary(i.Steps))
		}
		t.Flush()
		return nil
	}
	return cmd
}

// showIncomplete prints in one line what an answer lacks; it returns any other
// error.
func showIncomplete(cmd *cobra.Command, err error) error {
	var incomplete control.Incomplete
	if !errors.As(err, &incomplete) {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), output.Plain("tollwarden: the answer is incomplete: "+incomplete.Error()))
	return nil
}

func fmtID(id int64) string { return strconv.FormatInt(id, 10) }

// who is what an incident is about.
func who(i *incident.Incident) string {
	if i.Shared() {
		return "many addresses"
	}
	return people.Title(i.Key.Words(), nameOf(i.Key, i.Name))
}

// nameOf is the name of an account's person, if the key is an account.
func nameOf(k score.Key, name string) string {
	if k.Per != score.PerAccount {
		return ""
	}
	return name
}

// cost is about what the calls of an incident cost: an estimate if it is at default rates.
func cost(c incident.Cost) string {
	switch {
	case c.Amount == 0:
		return ""
	case c.Estimate:
		c.Estimate = false
		return "about " + c.String() + " (estimate)"
	}
	return "about " + c.String()
}

// stepSummary names each step with its state, and how often in a row.
func stepSummary(steps []incident.Step) string {
	var words []string
	for n := 0; n < len(steps); {
		s, same := steps[n], 1
		for n+same < len(steps) && steps[n+same].Step == s.Step && steps[n+same].State == s.State {
			same++
		}
		word := stepOutcome(s.Step, s.State)
		if same > 1 {
			word += fmt.Sprintf(" (%d)", same)
		}
		words, n = append(words, word), n+same
	}
	return strings.Join(words, ", ")
}

func newIncident() *cobra.Command {
	cmd := &cobra.Command{
		Use: "incident ID", Short: "Report one incident: what happened, what was lost, what was done, what to do", Args: args(cobra.ExactArgs(1)),
		Long: "Report one incident in plain words: what happened and whether it is over, what it cost at most,\n" +
			"what to do now, and then how it went, step by step. The evidence is a file (--annex).",
		Example: "  tollwarden incident 41\n  tollwarden incident 41 --html > incident-41.html\n  tollwarden incident 41 --annex | sha256sum",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	asHTML := cmd.Flags().Bool("html", false, "print a self-contained HTML page")
	annex := cmd.Flags().Bool("annex", false, "print only the evidence: the lines that the SHA-256 covers")
	language := cmd.Flags().String("language", "en", "the `LANGUAGE` of the report: "+strings.Join(texts.Codes(), " or "))
	cmd.MarkFlagsMutuallyExclusive("json", "html", "annex")
	cmd.ValidArgsFunction = completeIncidents(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || id < 1 {
			return usage(fmt.Errorf("incident %q: want the number that `tollwarden incidents` shows", args[0]))
		}
		words, ok := texts.In(*language)
		if !ok {
			return usage(fmt.Errorf("language %q: want %s", *language, strings.Join(texts.Codes(), " or ")))
		}
		i, err := control.Dial(*socket).Incident(cmd.Context(), id)
		if err := showIncomplete(cmd, err); err != nil {
			return err
		}
		site, _ := os.Hostname() // it is left out if it is not known
		out, r := cmd.OutOrStdout(), report.Style{Language: words, Site: site, Zone: time.Local}.Incident(i)
		switch {
		case *asJSON:
			return output.JSON(out, i)
		case *asHTML:
			return r.HTML(out)
		case *annex:
			_, err := out.Write(r.Annex.Data)
			return err
		}
		return r.Text(out)
	}
	return cmd
}
