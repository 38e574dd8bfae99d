package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
	"github.com/tollwarden/tollwarden/responder/score"
)

func newAddresses() *cobra.Command {
	cmd := &cobra.Command{
		Use: "addresses", Short: "List the IP addresses that attract attention now, those nearest to being blocked first", Args: args(cobra.NoArgs),
		Long: "List the IP addresses with wrong passwords or other signs of an attack that still count, those nearest to\n" +
			"being blocked first, and what is done about each. --networks lists networks instead.",
		Example: "  tollwarden addresses\n  tollwarden addresses --networks --limit 10",
	}
	networks := cmd.Flags().Bool("networks", false, "list networks instead, if a threshold is per network")
	return listScores(cmd, func() score.Per {
		if *networks {
			return score.PerNetwork
		}
		return score.PerSource
	})
}

func newExtensions() *cobra.Command {
	cmd := &cobra.Command{
		Use: "extensions", Short: "List the extensions that attract attention now, those nearest to a limit first", Args: args(cobra.NoArgs),
		Long: "List the extensions that are guessed at or whose calls are unusual, those nearest to a limit first, and\n" +
			"what was done about each: whether it is locked or limited, and when its password was changed.",
		Example: "  tollwarden extensions\n  tollwarden extensions --json",
	}
	return listScores(cmd, func() score.Per { return score.PerAccount })
}

// oldName is a command under the name that it used to have, which help does not list.
func oldName(cmd *cobra.Command, name string) *cobra.Command {
	cmd.Use, cmd.Hidden = name, true
	return cmd
}

func listScores(cmd *cobra.Command, per func() score.Per) *cobra.Command {
	socket, asJSON, verbose := socketFlag(cmd), jsonFlag(cmd), verboseFlag(cmd)
	limit := cmd.Flags().Int("limit", 50, "list at most this `NUMBER`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := control.Dial(*socket).Scores(cmd.Context(), per().String(), *limit)
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), list)
		}
		printScores(cmd.OutOrStdout(), per(), list, *verbose)
		return nil
	}
	return cmd
}

func printScores(w io.Writer, per score.Per, list []control.ScoreStatus, verbose bool) {
	what := map[score.Per]string{score.PerSource: "IP address", score.PerNetwork: "network", score.PerAccount: "extension"}[per]
	if len(list) == 0 {
		fmt.Fprintf(w, "nothing to report about any %s now\n", what)
		return
	}
	heading := []string{strings.ToUpper(what), "SO FAR", "WITHIN", "LAST", "STATE"}
	if verbose {
		heading = slices.Insert(heading, 1, "SHARE", "THRESHOLD")
	}
	t := output.NewTable(w, heading...)
	for _, s := range list {
		nearest := nearestOf(s.Scores)
		last := ""
		if s.Last != nil {
			last = output.Time(*s.Last)
		}
		row := []string{people.Title(s.Key.Value(), s.Name), soFar(nearest), nearest.Within, last, scoreState(&s)}
		if verbose {
			row = slices.Insert(row, 1, strconv.Itoa(int(100*s.Share))+"%", nearest.Threshold)
		}
		t.Row(row...)
	}
	t.Flush()
}

// soFar is how much of a limit is reached, such as "2 of 3 wrong passwords".
func soFar(s control.Score) string {
	if s.Counts != "" {
		return fmt.Sprintf("%d of %d %s", s.Points, s.Score, s.Counts)
	}
	return fmt.Sprintf("%d of %d points for %q", s.Points, s.Score, s.Threshold)
}

func nearestOf(scores []control.Score) (nearest control.Score) {
	share := -1.0
	for _, s := range scores {
		if now := float64(s.Points) / float64(s.Score); now > share {
			nearest, share = s, now
		}
	}
	return nearest
}

func scoreState(s *control.ScoreStatus) string {
	var words []string
	if s.Ban != nil {
		words = append(words, "banned "+output.UntilWords(s.Ban.Until))
	}
	for _, b := range s.Partial {
		words = append(words, partialWords(b))
	}
	if s.Crossed {
		words = append(words, "limit reached")
	}
	if s.Trust != "" {
		words = append(words, s.Trust)
	}
	if s.Held != "" {
		words = append(words, s.Held)
	}
	if s.Channels > 0 {
		words = append(words, incident.Count(s.Channels, "call")+" up")
	}
	if s.Rotated != nil {
		words = append(words, "password changed "+output.Time(*s.Rotated))
	}
	return strings.Join(words, ", ")
}

// partialWords says what is done at an address, or to an account's phone.
func partialWords(b incident.PartialBlock) string {
	if b.Kind == incident.ThrottledAddress {
		return b.Words() + " " + output.UntilWords(b.Until)
	}
	if b.Kind == incident.ClosedAddress {
		return b.Words() + " blocked " + output.UntilWords(b.Until)
	}
	return fmt.Sprintf("%s (%s) blocked %s", b.Words(), b.Target(), output.UntilWords(b.Until))
}
