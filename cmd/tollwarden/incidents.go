package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
)

func newIncidents() *cobra.Command {
	cmd := &cobra.Command{Use: "incidents", Short: "List what happened and what was done, newest first", Args: args(cobra.NoArgs)}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	limit := cmd.Flags().Int("limit", 50, "how many")
	watch := cmd.Flags().Bool("watch", false, "follow new incidents and their steps as they come; with --json one object a line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *watch {
			return watchIncidents(cmd.Context(), cmd.OutOrStdout(), *socket, *asJSON)
		}
		list, err := control.Dial(*socket).Incidents(cmd.Context(), *limit)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), list)
		}
		t := newTable(cmd.OutOrStdout(), "ID", "AT", "WHO", "THRESHOLD", "STEPS")
		for _, i := range list {
			t.row(fmtID(i.ID), clock(i.At), i.Key.Kind+" "+i.Key.Value, i.Threshold, stepSummary(i.Steps))
		}
		t.flush()
		return nil
	}
	return cmd
}

func fmtID(id int64) string { return strconv.FormatInt(id, 10) }

func stepSummary(steps []control.Step) string {
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = s.Step + " " + s.State
	}
	return strings.Join(words, ", ")
}

func newIncident() *cobra.Command {
	cmd := &cobra.Command{Use: "incident ID", Short: "Tell one incident with its steps and its evidence", Args: args(cobra.ExactArgs(1))}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	cmd.ValidArgsFunction = completeIncidents(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || id < 1 {
			return usage(fmt.Errorf("incident %q: want the number that `tollwarden incidents` shows", args[0]))
		}
		i, err := control.Dial(*socket).Incident(cmd.Context(), id)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), i)
		}
		printIncident(cmd.OutOrStdout(), i)
		return nil
	}
	return cmd
}

func printIncident(w io.Writer, i control.Incident) {
	fmt.Fprintf(w, "Incident %d, %s\n", i.ID, clock(i.At))
	fmt.Fprintf(w, "%s %s crossed %q: %s\n", i.Key.Kind, plain(i.Key.Value), plain(i.Threshold), plain(i.Reason))
	if i.Mode == "observe" {
		fmt.Fprintln(w, "Mode observe: nothing was changed.")
	}
	fmt.Fprintf(w, "\nPlaybook %s\n", plain(i.Playbook))
	t := newTable(w, "STEP", "TARGET", "STATE", "AFTER", "DETAIL")
	for _, s := range i.Steps {
		t.row(s.Step, s.Target, s.State, s.Took, s.Detail)
	}
	t.flush()
	if len(i.Evidence) == 0 {
		return
	}
	fmt.Fprintln(w, "\nEvidence")
	t = newTable(w, "AT", "SIGNAL", "SOURCE", "TRANSPORT", "PROOF", "ACCOUNT", "SESSION")
	for _, o := range i.Evidence {
		t.row(o.At.Local().Format("15:04:05.000"), o.Signal, o.Source+":"+strconv.Itoa(int(o.Port)), o.Transport, o.Proof, o.Account, o.Session)
	}
	t.flush()
}
