package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/report"
)

// watchBans lists the bans in force and then a line for every change.
func watchBans(cmd *cobra.Command, socket string, asJSON bool) error {
	out, client := cmd.OutOrStdout(), control.Dial(socket)
	if asJSON {
		return client.WatchBans(cmd.Context(), jsonLines[control.BanChange](out))
	}
	bans, err := client.Bans(cmd.Context())
	if err != nil {
		return err
	}
	printBans(out, bans)
	ink := inkFor(out)
	return client.WatchBans(cmd.Context(), func(c control.BanChange) error {
		_, err := fmt.Fprintf(out, "%s  %s  %s  %s  %s\n", clock(c.At), ink.state(string(c.Change)), incident.PrefixText(c.Ban.Prefix), untilWords(c.Ban.Until), plain(c.Ban.Reason))
		return err
	})
}

// watchIncidents tells every new incident and every step as it is decided.
func watchIncidents(ctx context.Context, out io.Writer, socket string, asJSON bool) error {
	client := control.Dial(socket)
	if asJSON {
		return client.WatchIncidents(ctx, jsonLines[incident.Incident](out))
	}
	told := map[int64][]incident.Step{}
	ink := inkFor(out)
	return client.WatchIncidents(ctx, func(i incident.Incident) error {
		before, known := told[i.ID]
		if !known {
			fmt.Fprintf(out, "%s  incident %d  %s %s  %s: %s\n", clock(i.At), i.ID, i.Key.Kind(), plain(i.Key.Value()), plain(i.Threshold), plain(i.Reason))
		}
		open := false
		for n, s := range i.Steps {
			open = open || s.State == incident.Intended
			if n < len(before) && sameStep(before[n], s) {
				continue
			}
			fmt.Fprintf(out, "%19s  incident %d  %s %s  %s  %s %s\n", "", i.ID, s.Step, plain(s.Target), ink.state(string(s.State)), s.Took, plain(s.Detail))
		}
		if told[i.ID] = i.Steps; !open {
			told[i.ID] = nil // nothing more is to come of it
		}
		return nil
	})
}

// sameStep says whether two states of a step show the same.
func sameStep(a, b incident.Step) bool {
	return a.Step == b.Step && a.Target == b.Target && a.State == b.State && a.Detail == b.Detail && a.Took == b.Took
}

// jsonLines prints each value as one line.
func jsonLines[T any](out io.Writer) func(T) error {
	enc := json.NewEncoder(report.JSON(out))
	return func(v T) error { return enc.Encode(v) }
}
