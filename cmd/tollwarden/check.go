package main

import (
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/check"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Explain the configuration and test that it works here", Args: args(cobra.NoArgs),
		Long: "Explain the configuration in words, log in to Asterisk and list what the user may do,\n" +
			"try the ruleset in the kernel without touching the one in force, and see whether the\n" +
			"receivers of messages can be reached. Changes nothing; sends messages only with --notify.",
	}
	file := configFlag(cmd)
	reference := cmd.Flags().Bool("reference", false, "print every key with its default, and check nothing")
	send := cmd.Flags().Bool("notify", false, "send every receiver a test message")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *reference {
			_, err := cmd.OutOrStdout().Write(config.Reference)
			return err
		}
		cfg, err := settings.Load(*file)
		if err != nil {
			return err
		}
		return check.Run(cmd.Context(), cmd.OutOrStdout(), cfg, check.Options{Send: *send})
	}
	return cmd
}
