package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
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
	database := cmd.Flags().Bool("database", false, "only make the database user, as root, where FreePBX, Issabel or PJSIP realtime keep accounts in MariaDB")
	agreed := cmd.Flags().Bool("yes", false, "answer yes to every question")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s := setup.Setup{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Agreed: *agreed, Secret: rand.Text()}
		var err, ferr error // absolute, because the daemon runs in another folder
		s.Asterisk, err = filepath.Abs(*asterisk)
		s.Folder, ferr = filepath.Abs(*folder)
		if err := errors.Join(err, ferr); err != nil {
			return err
		}
		if *database {
			return setupDatabase(cmd, &s)
		}
		return s.Run(cmd.Context())
	}
	return cmd
}

// setupDatabase makes the database user of the configuration, or that of its defaults if
// there is none yet.
func setupDatabase(cmd *cobra.Command, s *setup.Setup) error {
	d := setup.Database{In: s.In, Out: s.Out, Agreed: s.Agreed, Asterisk: s.Asterisk}
	cfg, err := settings.Load(filepath.Join(s.Folder, "tollwarden.toml"))
	switch {
	case err == nil:
		d.Options, d.Asterisk = settings.Database(cfg), cfg.Asterisk.ConfigDir
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return d.Run(cmd.Context())
}
