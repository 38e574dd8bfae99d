package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/ledger"
)

func newForget() *cobra.Command {
	cmd := &cobra.Command{
		Use: "forget EXTENSION|ADDRESS|NUMBER", Short: "Delete what is recorded about a person", Args: args(cobra.ExactArgs(1)),
		Long: "Delete what is recorded about an extension, an IP address (IPv6: its /64) or a number that was dialled:\n" +
			"incidents about it with all their evidence, its calls, places and habits, and its name wherever rows about\n" +
			"others have it. Without --yes it only counts, and with --json it prints every such row: that is the export\n" +
			"of a person's data. Bans, locks and other orders that are in force stay.\n\n" +
			"The deleted evidence cannot be brought back: print the incidents first if the police or your carrier may\n" +
			"need them. Stop the daemon before; it knows again what it sees after its next start.",
		Example: "  tollwarden forget 1006\n  tollwarden forget 1006 --json > 1006.jsonl\n  tollwarden forget 1006 --yes",
	}
	file, asJSON := configFlag(cmd), jsonFlag(cmd)
	yes := cmd.Flags().Bool("yes", false, "delete it")
	cmd.MarkFlagsMutuallyExclusive("yes", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := settings.Load(*file)
		if err != nil {
			return err
		}
		subject := args[0]
		if subject == "" {
			return usage(errors.New("want an extension, an address or a number"))
		}
		if addr, err := netip.ParseAddr(subject); err == nil {
			subject = addr.Unmap().String()
		}
		out, path := cmd.OutOrStdout(), settings.LedgerPath(cfg)
		switch {
		case *asJSON:
			write := output.JSONLines[map[string]any](out)
			return ledger.Personal(cmd.Context(), path, subject, func(table string, values map[string]any) error {
				return write(map[string]any{"table": table, "row": values})
			})
		case !*yes:
			found := map[string]int{}
			if err := ledger.Personal(cmd.Context(), path, subject, func(table string, _ map[string]any) error {
				found[table]++
				return nil
			}); err != nil {
				return err
			}
			fmt.Fprintf(out, "about %s: %s\n", output.Plain(subject), counted(found))
			fmt.Fprintln(out, "nothing was deleted: --yes does that")
			return nil
		}
		switch _, err := control.Dial(cfg.Socket).Status(cmd.Context()); {
		case err == nil:
			return errors.New("the daemon is running and would write it again: stop it first: systemctl stop tollwarden")
		case !errors.Is(err, control.ErrNotRunning):
			return fmt.Errorf("cannot tell whether the daemon has stopped: %w", err)
		}
		f, err := ledger.Forget(cmd.Context(), path, subject, time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "deleted: %s; redacted in rows about others: %s\n", counted(f.Deleted), counted(f.Redacted))
		if f.Kept["bans"]+f.Kept["orders"]+f.Kept["holds"] > 0 {
			fmt.Fprintf(out, "kept, because it is in force: %s; end it (tollwarden unban, unlock) and run this again\n", counted(f.Kept))
		}
		tellOfOthers(out, cfg, subject)
		return nil
	}
	return cmd
}

// tableNames are what people call the rows of the ledger's tables.
var tableNames = map[string]string{"evidence": "observation", "calls": "call", "steps": "step", "incidents": "incident", "bans": "ban", "offences": "offence", "repeats": "repeated ban", "places": "known place", "habits": "habit", "guesses": "slow guess", "spending": "hour of spending", "orders": "order", "holds": "lock or restriction", "actions": "command"}

func counted(rows map[string]int) string {
	var words []string
	for table, n := range rows {
		switch {
		case n == 0:
		case table == "spending" && n != 1:
			words = append(words, fmt.Sprintf("%d hours of spending", n))
		case table == "holds" && n != 1:
			words = append(words, fmt.Sprintf("%d locks or restrictions", n))
		default:
			words = append(words, incident.Count(n, tableNames[table]))
		}
	}
	if len(words) == 0 {
		return "nothing"
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// tellOfOthers says where something about the subject may still be.
func tellOfOthers(out io.Writer, cfg *config.Config, subject string) {
	if text, err := os.ReadFile(settings.AllowPath(cfg)); err == nil && strings.Contains(string(text), subject) {
		fmt.Fprintf(out, "still there: the allow list names it: tollwarden allow remove %s\n", output.Plain(subject))
	}
	if text, err := os.ReadFile(cfg.Rotate.Store); err == nil && strings.Contains(string(text), "\t"+subject+"\t") {
		fmt.Fprintf(out, "still there: its passwords in %s\n", output.Plain(cfg.Rotate.Store))
	}
	for _, pattern := range []string{"ledger.db.damaged-*", "ledger.db.before-restore-*"} {
		if old, err := filepath.Glob(filepath.Join(cfg.Data, pattern)); err == nil && len(old) > 0 {
			fmt.Fprintf(out, "still there, if it was recorded then: %s\n", output.Plain(strings.Join(old, ", ")))
		}
	}
	fmt.Fprintln(out, "not reached: backups, the journal, Asterisk's own logs and call records, and messages that were sent")
}
