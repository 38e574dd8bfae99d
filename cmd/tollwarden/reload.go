package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
)

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reload", Short: "Reload the daemon's configuration and allow file", Args: args(cobra.NoArgs),
		Long: "Reload the daemon's configuration and allow file, as SIGHUP does. Scores, bans and\n" +
			"running steps stay, and no event is lost. If either file has a mistake, or a change\n" +
			"needs a restart, both are refused and the old ones stay in force.",
	}
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := control.Dial(*socket).Reload(cmd.Context())
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), c.Message)
		return nil
	}
	return cmd
}

// obey reloads on SIGHUP until ctx ends.
func (d *daemon) obey(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			_, _ = d.reload() // the log and status have the result
		case <-ctx.Done():
			return nil
		}
	}
}

// reload puts the whole configuration file in force, or nothing of it. It returns
// what to tell the operator.
func (d *daemon) reload() (string, error) {
	if d.file == nil {
		return "", errors.New("the daemon runs without a configuration file")
	}
	d.reloading.Lock()
	defer d.reloading.Unlock()
	err := d.readAgain()
	if err != nil {
		d.file.refuse(err)
		d.log.Error().Err(err).Msg("the configuration is refused, the old one stays in force")
		return "", fmt.Errorf("refused, the old configuration stays in force: %w", err)
	}
	d.log.Info().Str("file", d.file.path).Msg("the configuration is in force")
	return d.file.path + " is in force", nil
}

func (d *daemon) readAgain() error {
	cfg, sum, err := d.file.read()
	if err != nil {
		return err
	}
	if keys := fixed(d.cfg, cfg); len(keys) > 0 {
		return fmt.Errorf("%s: only a restart can change %s", d.file.path, strings.Join(keys, ", "))
	}
	policy, err := policyOf(cfg)
	if err != nil {
		return err
	}
	allowed, err := config.LoadAllowFile(allowPath(cfg))
	if err != nil {
		return err
	}
	told, err := tellingOf(&cfg.Notify)
	if err != nil {
		return err
	}
	// The kernel first: only it can fail for reasons that are not in the files.
	back := d.allow.put(cfg, allowed, nil)
	if err := d.allow.enforce(d.applyAllowed, back); err != nil {
		return err
	}
	if err := d.engine.Configure(policy); err != nil {
		back()
		return errors.Join(err, d.applyAllowed(d.allow.prefixes()))
	}
	d.notifier.set(told)
	d.runner.set(cfg.Exec)
	d.canary.set(cfg.Health.Canary)
	if d.kernelGuard != nil {
		d.kernelGuard.SetInterval(cfg.Health.Firewall)
	}
	d.inForce.Store(cfg)
	d.file.inForce(cfg, sum)
	logWarnings(d.log, cfg)
	return nil
}
