package main

import (
	"context"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/config"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run", Short: "Run the daemon", Args: args(cobra.NoArgs),
		Long: "Run the daemon in the foreground, until SIGTERM or SIGINT.\n" +
			"The drops stay in the kernel, with their times; the next start takes them over.",
	}
	file := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*file)
		if err != nil {
			return err
		}
		log := newLog(cmd)
		d, err := newDaemon(time.Now(), cfg, log, tableFor(cfg.Mode), nil)
		if err != nil {
			return err
		}
		defer d.close()
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
	return zerolog.New(out).With().Timestamp().Logger()
}

// loadConfig reads the file, then takes the secret out of the environment so
// that no child process and no /proc reader gets it from there.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path, config.Env{Signals: signalNames()})
	_ = os.Unsetenv(config.SecretEnv)
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
