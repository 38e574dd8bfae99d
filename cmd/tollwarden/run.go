package main

import (
	"context"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/report"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: args(cobra.NoArgs),
		Long: "Run the daemon in the foreground, until SIGTERM or SIGINT.\n" +
			"The drops stay in the kernel, with their times; the next start takes them over.",
	}
	file := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		source, cfg, err := openConfig(*file)
		if err != nil {
			return err
		}
		log := newLog(cmd)
		logWarnings(log, cfg)
		d, err := newDaemon(time.Now(), cfg, log, tableFor(cfg.Mode), nil)
		if err != nil {
			return err
		}
		defer d.close()
		d.file = source
		_, _ = systemd.SdNotify(false, systemd.SdNotifyReady) // no systemd is fine
		return d.run(cmd.Context())
	}
	return cmd
}

// newLog writes lines for a person on a terminal and JSON to everything else.
func newLog(cmd *cobra.Command) zerolog.Logger {
	out := cmd.ErrOrStderr()
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return zerolog.New(zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime}).With().Timestamp().Logger()
		}
	}
	return zerolog.New(report.JSON(out)).With().Timestamp().Logger()
}

// loadConfig reads the file once, for a command.
func loadConfig(path string) (*config.Config, error) {
	_, cfg, err := openConfig(path)
	return cfg, err
}

// keepContacts is how often the registrations are asked for, so that the
// protected sources stay fresh between connections.
const keepContacts = 5 * time.Minute

// every calls f at once and then at every tick, until ctx ends.
func every(ctx context.Context, tick time.Duration, f func()) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		f()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}
