package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
)

func newSources() *cobra.Command {
	cmd := &cobra.Command{Use: "sources", Short: "List the IP addresses that score now, nearest to a threshold first", Args: args(cobra.NoArgs)}
	networks := cmd.Flags().Bool("networks", false, "list networks instead, if a threshold is per network")
	kind := func() string {
		if *networks {
			return "network"
		}
		return "source"
	}
	return listScores(cmd, kind)
}

func newAccounts() *cobra.Command {
	cmd := &cobra.Command{Use: "accounts", Short: "List the accounts that score now, nearest to a threshold first", Args: args(cobra.NoArgs)}
	return listScores(cmd, func() string { return "account" })
}

func listScores(cmd *cobra.Command, kind func() string) *cobra.Command {
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	limit := cmd.Flags().Int("limit", 50, "how many to list")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := control.Dial(*socket).Scores(cmd.Context(), kind(), *limit)
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), list)
		}
		printScores(cmd.OutOrStdout(), kind(), list)
		return nil
	}
	return cmd
}

func printScores(w io.Writer, kind string, list []control.ScoreStatus) {
	if kind == "source" {
		kind = "IP address"
	}
	t := output.NewTable(w, strings.ToUpper(kind), "SHARE", "NEAREST THRESHOLD", "POINTS", "LAST", "STATE")
	for _, s := range list {
		nearest := nearestOf(s.Scores)
		last := ""
		if s.Last != nil {
			last = output.Time(*s.Last)
		}
		t.Row(people.Title(s.Key.Value(), s.Name), strconv.Itoa(int(100*s.Share))+"%", nearest.Threshold,
			fmt.Sprintf("%d of %d within %s", nearest.Points, nearest.Score, nearest.Within), last, scoreState(&s))
	}
	t.Flush()
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
		words = append(words, "crossed")
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
