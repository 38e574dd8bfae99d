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
		Use: "reload", Short: "Have the daemon read its configuration and its allow file again", Args: args(cobra.NoArgs),
		Long: "Have the daemon read its configuration and its allow file again, as SIGHUP does.\n" +
			"Scores, bans and everything under way stay, and no event is lost. A mistake in\n" +
			"either, or a change that only a restart can make, has both refused: the old ones\n" +
			"go on.",
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

// obey reloads at SIGHUP, until ctx ends.
func (d *daemon) obey(ctx context.Context) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			_, _ = d.reload() // told by the log and by status
		case <-ctx.Done():
			return nil
		}
	}
}

// reload puts the configuration of the file in force, whole or not at all, and
// says what it did.
func (d *daemon) reload() (string, error) {
	if d.file == nil {
		return "", errors.New("there is no configuration file to read again")
	}
	d.reloading.Lock()
	defer d.reloading.Unlock()
	err := d.readAgain()
	if err != nil {
		d.file.refuse(err)
		d.log.Error().Err(err).Msg("the configuration is refused, the old one goes on")
		return "", fmt.Errorf("refused, the old configuration goes on: %w", err)
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
	// The kernel first: it is what can fail for reasons of its own.
	back := d.allow.put(cfg, allowed, nil)
	if err := d.allow.enforce(d.applyAllowed, back); err != nil {
		return err
	}
	if err := d.responder.Reconfigure(policy); err != nil {
		back()
		return errors.Join(err, d.applyAllowed(d.allow.prefixes()))
	}
	d.notifier.set(told)
	d.runner.set(cfg.Exec)
	d.canary.set(cfg.Health.Canary)
	if d.kernelGuard != nil {
		d.kernelGuard.SetInterval(cfg.Health.Kernel)
	}
	d.inForce.Store(cfg)
	d.file.inForce(sum)
	return nil
}
