package main

import (
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/responder/report"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: args(cobra.NoArgs),
		Long: "Run the daemon in the foreground, until SIGTERM or SIGINT.\n" +
			"The bans stay in the kernel and expire on time; the next start takes them over.\n" +
			"With the packages, systemd runs it: systemctl enable --now tollwarden; its log is journalctl -u tollwarden.",
		Example: "  tollwarden run",
	}
	file := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		source, cfg, err := settings.Open(*file)
		if err != nil {
			return err
		}
		log := newLog(cmd)
		settings.LogWarnings(log, cfg)
		d, err := daemon.New(cmd.Context(), daemon.Options{Config: cfg, File: source, Log: log, Version: version()})
		if err != nil {
			if cmd.Context().Err() != nil {
				return nil // stopped while it started
			}
			return err
		}
		defer d.Close()
		_, _ = systemd.SdNotify(false, systemd.SdNotifyReady) // it is no failure to run without systemd
		return d.Run(cmd.Context())
	}
	return cmd
}

// newLog writes lines for a person to a terminal and JSON to everything else.
func newLog(cmd *cobra.Command) zerolog.Logger {
	out := cmd.ErrOrStderr()
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return zerolog.New(zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime}).With().Timestamp().Logger()
		}
	}
	return zerolog.New(report.JSON(out)).With().Timestamp().Logger()
}
