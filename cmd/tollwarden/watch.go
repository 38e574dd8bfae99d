package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// watchBans lists what is blocked and then a line for every change.
func watchBans(cmd *cobra.Command, socket string, asJSON, verbose bool) error {
	out, client := cmd.OutOrStdout(), control.Dial(socket)
	if asJSON {
		return client.WatchBans(cmd.Context(), output.JSONLines[control.BanChange](out))
	}
	list, err := readBlocks(cmd.Context(), client)
	if err != nil {
		return err
	}
	list.print(out, verbose)
	color := output.ColorFor(out)
	return client.WatchBans(cmd.Context(), func(c control.BanChange) error {
		_, err := fmt.Fprintln(out, changeLine(c, color.State(string(c.Change))))
		return err
	})
}

// untilWords is the end of a ban with its rung, where that is counted.
func untilWords(b incident.Ban) string {
	if rung := b.Rung(); rung != "" {
		return rung + ", " + output.UntilWords(b.Until)
	}
	return output.UntilWords(b.Until)
}

// watchIncidents prints every new incident and every step as it is decided.
func watchIncidents(ctx context.Context, out io.Writer, socket string, asJSON bool) error {
	client := control.Dial(socket)
	if asJSON {
		return client.WatchIncidents(ctx, output.JSONLines[incident.Incident](out))
	}
	printed, headings := map[int64][]incident.Step{}, map[int64]string{}
	color := output.ColorFor(out)
	return client.WatchIncidents(ctx, func(i incident.Incident) error {
		before, known := printed[i.ID]
		heading := output.Plain(who(&i)) + "  " + output.Plain(i.Threshold)
		if !known || headings[i.ID] != heading { // what joined it is graver
			fmt.Fprintf(out, "%s  incident %d  %s: %s\n", output.Time(i.At), i.ID, heading, output.Plain(i.Reason))
			headings[i.ID] = heading
		}
		open := false
		for n, s := range i.Steps {
			open = open || s.State == incident.Intended
			if n < len(before) && sameStep(before[n], s) {
				continue
			}
			fmt.Fprintf(out, "%19s  incident %d  %s %s  %s  %s %s\n", "", i.ID, stepName(s.Step), output.Plain(s.Target), color.State(string(s.State)), s.Took, output.Plain(s.Detail))
		}
		if printed[i.ID] = i.Steps; !open {
			printed[i.ID] = nil // it is finished
		}
		return nil
	})
}

// sameStep says whether two states of a step show the same.
func sameStep(a, b incident.Step) bool {
	return a.Step == b.Step && a.Target == b.Target && a.State == b.State && a.Detail == b.Detail && a.Took == b.Took
}
