package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/operator"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/output"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

func newBans() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bans", Short: "List what is blocked or throttled, newest first", Args: args(cobra.NoArgs),
		Long: "List what is blocked or throttled, newest first: banned addresses and networks, and at\n" +
			"addresses that are not banned because others use them, the flows of single phones and\n" +
			"what is throttled. With --json, the latter have a kind and no prefix.",
		Example: "  tollwarden bans\n  tollwarden bans --watch", SuggestFor: []string{"blocked", "blocks"},
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	verbose := cmd.Flags().Bool("verbose", false, "print reasons in full, however long")
	watch := cmd.Flags().Bool("watch", false, "list the bans, then follow changes; with --json only the changes, one object per line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *watch {
			return watchBans(cmd, *socket, *asJSON, *verbose)
		}
		list, err := readBlocks(cmd.Context(), control.Dial(*socket))
		if err != nil {
			return err
		}
		if *asJSON {
			return output.JSON(cmd.OutOrStdout(), list.all())
		}
		list.print(cmd.OutOrStdout(), *verbose)
		return nil
	}
	return cmd
}

// dropped is what of a prefix's traffic is dropped.
func dropped(b incident.Ban) string {
	if b.Observed {
		return "would be blocked: " + b.Scope.Words()
	}
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
		Use: "ban ADDRESS|NETWORK", Short: "Block an IP address or a network", Args: args(cobra.ExactArgs(1)),
		Example: "  tollwarden ban 192.0.2.66 --for 1h\n  tollwarden ban 198.51.100.0/24 --forever --reason \"asked by the carrier\"",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	duration := cmd.Flags().String("for", "24h", "how long, a `TIME` such as 1h or 7d")
	forever := cmd.Flags().Bool("forever", false, "until it is released by hand")
	scope := cmd.Flags().String("scope", string(incident.ScopeAll), "what is closed: `all|asterisk`; asterisk is its ports only, and SSH and everything else stays open")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]cobra.Completion{string(incident.ScopeAll), string(incident.ScopeAsterisk)}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	reason := cmd.Flags().String("reason", "by hand", "why, a `TEXT` for the record")
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
	cmd := &cobra.Command{
		Use: "unban ADDRESS|NETWORK|ADDRESS:PORT | --all", Short: "Release a ban, or let a blocked phone through", Args: args(cobra.MaximumNArgs(1)),
		Long: "Release everything that `tollwarden bans` lists of an address or a prefix, and forget its wrong passwords.\n" +
			"With a port, let through one blocked phone at an address that others use.",
		Example: "  tollwarden unban 192.0.2.66\n  tollwarden unban 198.51.100.20:59271\n  tollwarden unban '[2001:db8::20]:5060'",
	}
	socket, asJSON := socketFlag(cmd), jsonFlag(cmd)
	all := cmd.Flags().Bool("all", false, "release everything")
	forgive := cmd.Flags().Bool("forgive", false, "also forget its wrong passwords and earlier bans, so that the next ban counts as the first")
	cmd.ValidArgsFunction = completeBans(socket)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *all == (len(args) == 1) {
			return usage(fmt.Errorf("unban: give an address, a prefix, an address with a port or --all"))
		}
		o := control.UnbanOrder{All: *all, Forgive: *forgive}
		if !*all {
			var err error
			if o.Prefix, o.Flow, err = parseBlocked(args[0]); err != nil {
				return usage(err)
			}
		}
		client := control.Dial(*socket)
		changed, err := client.Unban(cmd.Context(), o)
		if err != nil && !o.All {
			err = meantBlock(cmd.Context(), client, args[0], err)
		}
		return printChanged(cmd, changed, err, *asJSON)
	}
	return cmd
}

// parseBlocked reads what can be blocked: an address or a prefix, or a flow.
func parseBlocked(s string) (prefix netip.Prefix, flow netip.AddrPort, err error) {
	if flow, err = netip.ParseAddrPort(s); err == nil {
		return prefix, netip.AddrPortFrom(flow.Addr().Unmap(), flow.Port()), nil
	}
	prefix, err = config.ParsePrefix(s)
	return prefix, netip.AddrPort{}, err
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
