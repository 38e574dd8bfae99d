package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/firewall"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newDown() *cobra.Command {
	cmd := &cobra.Command{
		Use: "down", Short: "Take everything of Tollwarden's out of the kernel", Args: args(cobra.NoArgs),
		Long: "Take everything of Tollwarden's out of the kernel: the table, and with it every drop.\n" +
			"The daemon must be stopped first, since it would put it back. The bans stay in its\n" +
			"records: the next start brings back those that have time left.",
	}
	file := configFlag(cmd)
	table := cmd.Flags().String("table", "", "the nftables table's `NAME`, instead of the configuration's")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		name := *table
		if name == "" {
			cfg, err := loadConfig(*file)
			if err != nil {
				return fmt.Errorf("%w\n(--table NAME does without the configuration)", err)
			}
			_, err = control.Dial(cfg.Socket).Status(cmd.Context())
			if !errors.Is(err, control.ErrNotRunning) {
				return fmt.Errorf("the daemon runs, or something is wrong with its socket %s: stop it first, it would put everything back", cfg.Socket)
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
