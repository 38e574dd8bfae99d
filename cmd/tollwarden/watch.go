package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/responder"
	"github.com/tollwarden/tollwarden/responder/control"
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
		_, err := fmt.Fprintf(out, "%s  %s  %s  %s  %s\n", clock(c.At), ink.state(c.Change), responder.PrefixString(c.Ban.Prefix), untilWords(c.Ban.Until), plain(c.Ban.Reason))
		return err
	})
}

// watchIncidents tells every new incident and every step as it is decided.
func watchIncidents(ctx context.Context, out io.Writer, socket string, asJSON bool) error {
	client := control.Dial(socket)
	if asJSON {
		return client.WatchIncidents(ctx, jsonLines[control.Incident](out))
	}
	told := map[int64][]control.Step{}
	ink := inkFor(out)
	return client.WatchIncidents(ctx, func(i control.Incident) error {
		before, known := told[i.ID]
		if !known {
			fmt.Fprintf(out, "%s  incident %d  %s %s  %s: %s\n", clock(i.At), i.ID, i.Key.Kind, plain(i.Key.Value), plain(i.Threshold), plain(i.Reason))
		}
		open := false
		for n, s := range i.Steps {
			open = open || s.State == "intended"
			if n < len(before) && before[n] == s {
				continue
			}
			fmt.Fprintf(out, "%19s  incident %d  %s %s  %s  %s %s\n", "", i.ID, s.Step, plain(s.Target), ink.state(s.State), s.Took, plain(s.Detail))
		}
		if told[i.ID] = i.Steps; !open {
			told[i.ID] = nil // nothing more is to come of it
		}
		return nil
	})
}

// jsonLines prints each value as one line.
func jsonLines[T any](out io.Writer) func(T) error {
	enc := json.NewEncoder(report.JSON(out))
	return func(v T) error { return enc.Encode(v) }
}
