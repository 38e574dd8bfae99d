package main

import (
	"crypto/rand"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/setup"
)

func newSetup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "setup", Short: "Set up Tollwarden beside the Asterisk on this machine", Args: args(cobra.NoArgs),
		Long: "Set up Tollwarden beside the Asterisk on this machine: find manager.conf, propose a user\n" +
			"in it and a configuration in mode observe, and test both. Nothing is written before you\n" +
			"agree, and nothing that exists is overwritten.",
	}
	asterisk := cmd.Flags().String("asterisk", "/etc/asterisk", "Asterisk's configuration `FOLDER`")
	folder := cmd.Flags().String("folder", "/etc/tollwarden", "the `FOLDER` for Tollwarden's configuration")
	agreed := cmd.Flags().Bool("yes", false, "answer yes to every question")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s := setup.Setup{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Agreed: *agreed, Secret: rand.Text()}
		var err, ferr error // absolute, because the daemon runs in another folder
		s.Asterisk, err = filepath.Abs(*asterisk)
		s.Folder, ferr = filepath.Abs(*folder)
		if err := errors.Join(err, ferr); err != nil {
			return err
		}
		return s.Run(cmd.Context())
	}
	return cmd
}
