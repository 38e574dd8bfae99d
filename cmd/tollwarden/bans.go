package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/operator"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newBans() *cobra.Command {
	cmd := &cobra.Command{Use: "bans", Short: "List the bans in force, newest first", Args: args(cobra.NoArgs)}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	watch := cmd.Flags().Bool("watch", false, "list the bans, then follow changes; with --json only the changes, one object per line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *watch {
			return watchBans(cmd, *socket, *asJSON)
		}
		bans, err := control.Dial(*socket).Bans(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), bans)
		}
		printBans(cmd.OutOrStdout(), bans)
		return nil
	}
	return cmd
}

func printBans(w io.Writer, bans []incident.Ban) {
	t := output.NewTable(w, "IP ADDRESS", "SINCE", "UNTIL", "DROPPED", "PACKETS", "TIME", "ORIGIN", "REASON")
	for _, b := range bans {
		t.Row(incident.PrefixText(b.Prefix), output.Time(b.Since), output.Until(b.Until), dropped(b), packets(b), rung(b), b.Origin, b.Reason)
	}
	t.Flush()
}

// dropped is what of a prefix's traffic is dropped.
func dropped(b incident.Ban) string {
	return b.Scope.Words()
}

// rung is which ban of its prefix this is, where that is counted.
func rung(b incident.Ban) string { return cmp.Or(b.Rung(), "-") }

// packets are those that a ban has dropped, as far as they are counted.
func packets(b incident.Ban) string {
	if b.Packets == nil {
		return "-"
	}
	return strconv.FormatUint(*b.Packets, 10)
}

func newBan() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ban ADDR|CIDR", Short: "Ban an address or a prefix", Args: args(cobra.ExactArgs(1)),
		Example: "  tollwarden ban 192.0.2.66 --for 1h\n  tollwarden ban 198.51.100.0/24 --forever --reason \"asked by the carrier\"",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	duration := cmd.Flags().String("for", "24h", "how long, such as 1h or 7d")
	forever := cmd.Flags().Bool("forever", false, "until it is released by hand")
	scope := cmd.Flags().String("scope", string(incident.ScopeAll), "what is closed: all, or asterisk (its ports only; SSH and everything else stays open)")
	reason := cmd.Flags().String("reason", "by hand", "why, for the record")
	force := cmd.Flags().Bool("force", false, "ban even if this covers an allowed or protected address, or your own")
	cmd.MarkFlagsMutuallyExclusive("for", "forever")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prefix, err := config.ParsePrefix(args[0])
		if err != nil {
			return usage(err)
		}
		if _, err := config.ParseBanTime(*duration); err != nil {
			return usage(fmt.Errorf("--for %q: %w", *duration, err))
		}
		if s := incident.Scope(*scope); s != incident.ScopeAll && s != incident.ScopeAsterisk {
			return usage(fmt.Errorf("--scope %q: want all or asterisk", *scope))
		}
		o := control.BanOrder{Prefix: prefix, For: *duration, Scope: incident.Scope(*scope), Reason: *reason, Force: *force, Operator: operator.Address(), Sessions: operator.SSHSessions("/proc")}
		if *forever {
			o.For = "forever"
		}
		changed, err := control.Dial(*socket).Ban(cmd.Context(), o)
		return printChanged(cmd, changed, err, *asJSON)
	}
	return cmd
}

func newUnban() *cobra.Command {
	cmd := &cobra.Command{Use: "unban ADDR|CIDR | --all", Short: "Release a ban", Args: args(cobra.MaximumNArgs(1))}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	all := cmd.Flags().Bool("all", false, "release every ban")
	forgive := cmd.Flags().Bool("forgive", false, "also forget the score and the offences, so that the next ban counts as the first")
	cmd.ValidArgsFunction = completeBans(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *all == (len(args) == 1) {
			return usage(fmt.Errorf("unban: give an address, a prefix or --all"))
		}
		o := control.UnbanOrder{All: *all, Forgive: *forgive}
		if !*all {
			prefix, err := config.ParsePrefix(args[0])
			if err != nil {
				return usage(err)
			}
			o.Prefix = prefix
		}
		changed, err := control.Dial(*socket).Unban(cmd.Context(), o)
		return printChanged(cmd, changed, err, *asJSON)
	}
	return cmd
}

func printChanged(cmd *cobra.Command, changed control.Changed, err error, asJSON bool) error {
	if err != nil {
		return err
	}
	if asJSON {
		return output.JSON(cmd.OutOrStdout(), changed)
	}
	fmt.Fprintln(cmd.OutOrStdout(), output.Plain(changed.Message))
	return nil
}
