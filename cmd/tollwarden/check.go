package main

import (
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/check"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Prove that the configuration works here, and explain it", Args: args(cobra.NoArgs),
		Long: "Prove by trying that the configuration works here: that Asterisk's events and log lines\n" +
			"arrive, that the user may do what the playbooks need, that the kernel takes the ruleset,\n" +
			"and that files, hooks and receivers work. Each failure comes with the one command that\n" +
			"fixes it. With --verbose, explain the configuration in words, too. Changes nothing; sends\n" +
			"messages only with --notify.\n\n" +
			"Exit codes: 0 everything passed, perhaps with warnings; 1 something failed, or the\n" +
			"configuration cannot be read; 2 wrong usage.",
	}
	file := configFlag(cmd)
	reference := cmd.Flags().Bool("reference", false, "print every key with its default, and check nothing")
	var o check.Options
	cmd.Flags().BoolVar(&o.Send, "notify", false, "send every receiver samples: an incident, an alarm and a digest")
	cmd.Flags().BoolVar(&o.Verbose, "verbose", false, "explain the configuration, too: rules, signals, points and limits, and the section of manager.conf")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *reference {
			_, err := cmd.OutOrStdout().Write(config.Reference)
			return err
		}
		cfg, err := settings.Load(*file)
		if err != nil {
			return err
		}
		o.File, o.JSON = *file, *asJSON
		return check.Run(cmd.Context(), cmd.OutOrStdout(), cfg, o)
	}
	return cmd
}
