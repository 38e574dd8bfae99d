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
		Use: "down", Short: "Remove everything of Tollwarden's from the kernel", Args: args(cobra.NoArgs),
		Long: "Remove everything of Tollwarden's from the kernel: the table, and with it every ban.\n" +
			"The daemon must be stopped first, since it would put it back. The bans stay in its\n" +
			"records: the next start brings back those that have time left.",
	}
	file := configFlag(cmd)
	table := cmd.Flags().String("table", "", "the nftables table's `NAME`, instead of the configuration's")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		name := *table
		if name == "" {
			cfg, err := settings.Load(*file)
			if err != nil {
				return fmt.Errorf("%w\n(--table NAME needs no configuration)", err)
			}
			switch _, err = control.Dial(cfg.Socket).Status(cmd.Context()); {
			case err == nil:
				return errors.New("the daemon is running: stop it first, it would put everything back")
			case !errors.Is(err, control.ErrNotRunning):
				return fmt.Errorf("it is not certain that the daemon is stopped, and it would put everything back: %w", err)
			}
			name = cfg.Firewall.Table
		}
		if err := firewall.Remove(firewall.Config{Name: name}); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "table inet %s is gone: nothing is dropped any more\n", name)
		return nil
	}
	return cmd
}
