package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newDown() *cobra.Command {
	cmd := &cobra.Command{
		Use: "down", Short: "Remove Tollwarden's table from the kernel", Args: args(cobra.NoArgs),
		Long: "Remove Tollwarden's table from the kernel, and with it every ban. Stop the daemon first:\n" +
			"it would restore the table. Where no service manager runs it, --stop does that. The bans\n" +
			"stay on record: the next start restores those that have not expired.",
		Example: "  tollwarden down\n  tollwarden down --stop",
	}
	file := configFlag(cmd)
	table := cmd.Flags().String("table", "", "the `NAME` of the nftables table, instead of the configured one")
	stop := cmd.Flags().Bool("stop", false, "stop a running daemon first; systemd would start it again")
	cmd.MarkFlagsMutuallyExclusive("table", "stop")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		name := *table
		if name == "" {
			cfg, err := settings.Load(*file)
			if err != nil {
				return fmt.Errorf("%w\n(--table NAME needs no configuration)", err)
			}
			daemon := control.Dial(cfg.Socket)
			if *stop {
				if err := daemon.Stop(cmd.Context()); err != nil && !errors.Is(err, control.ErrNotRunning) {
					return err
				}
			}
			switch _, err = daemon.Status(cmd.Context()); {
			case err == nil:
				return errors.New("the daemon is running and would restore the table: stop it first")
			case !errors.Is(err, control.ErrNotRunning):
				return fmt.Errorf("cannot tell whether the daemon has stopped; it would restore the table: %w", err)
			}
			name = cfg.Firewall.Table
		}
		if err := firewall.Remove(firewall.Config{Name: name}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "removed table inet %s: nothing is dropped any more\n", name)
		return nil
	}
	return cmd
}
