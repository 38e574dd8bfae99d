package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
)

// handleSIGHUP reloads on SIGHUP until ctx ends.
func (c *configuration) handleSIGHUP(ctx context.Context) error {
	if c.file == nil {
		return nil
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			_, _ = c.reload(ctx) // the log and status have the result
		case <-ctx.Done():
			return nil
		}
	}
}

// reload puts the whole configuration file in force, or nothing of it. It returns
// what to answer: also which entries of the allow list are not in force.
func (c *configuration) reload(ctx context.Context) (string, error) {
	if c.file == nil {
		return "", errors.New("the daemon runs without a configuration file")
	}
	if err := c.replace(); err != nil {
		c.file.Refused(err)
		c.log.Error().Err(err).Msg("the new configuration was refused, and the old one stays in force")
		return "", fmt.Errorf("refused, the old configuration stays in force: %w", err)
	}
	c.settleNames(ctx)
	now := time.Now()
	event := c.log.Info().Str("file", c.file.Path())
	if except := c.notInForce(now); len(except) > 0 {
		event = event.Strs("not_in_force", except)
	}
	event.Msg("the configuration is in force")
	return c.inForceWords(now), nil
}

func (c *configuration) replace() error {
	c.changing.Lock()
	defer c.changing.Unlock()
	cfg, sum, err := c.file.Read()
	if err != nil {
		return err
	}
	if keys := settings.NeedRestart(c.started, cfg); len(keys) > 0 {
		return fmt.Errorf("%s: only a restart can change %s", c.file.Path(), strings.Join(keys, ", "))
	}
	if err := c.kernel.canEnforce(); err != nil && cfg.Mode == config.Enforce {
		return fmt.Errorf("%s: mode enforce: %w; then restart the daemon", c.file.Path(), err)
	}
	policy, err := settings.Policy(cfg)
	if err != nil {
		return err
	}
	if policy.Budget.Rates, _, err = settings.Rates(cfg); err != nil {
		return err
	}
	allowed, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return err
	}
	messages, err := parseNotifyConfig(&cfg.Notify)
	if err != nil {
		return err
	}
	// The kernel first: only it can fail for reasons that are not in the files.
	undo := c.allow.replace(cfg, allowed, nil)
	if err := c.enforce(undo); err != nil {
		return err
	}
	before := settings.Ports(c.current.Load())
	if err := c.ports.configure(before, settings.Ports(cfg)); err != nil {
		undo()
		return errors.Join(err, c.enforceAgain())
	}
	if err := c.engine.Configure(policy); err != nil {
		undo()
		return errors.Join(err, c.enforceAgain(), c.ports.configure(settings.Ports(cfg), before))
	}
	c.apply(cfg, messages)
	if was := c.mode(); was != cfg.Mode {
		c.log.Warn().Str("from", string(was)).Str("to", string(cfg.Mode)).Msg("the mode has changed")
	}
	c.current.Store(cfg)
	c.file.Applied(cfg, sum)
	settings.LogWarnings(c.log, cfg)
	return nil
}
