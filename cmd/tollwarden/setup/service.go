package setup

import (
	"context"
	"fmt"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/control"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// units are where a package puts the unit of systemd.
var units = []string{"/usr/lib/systemd/system/tollwarden.service", "/lib/systemd/system/tollwarden.service", "/etc/systemd/system/tollwarden.service"}

// hasService says whether systemd runs here and knows the daemon.
func (s *Setup) hasService() bool {
	if !exists(s.path("/run/systemd/system")) {
		return false
	}
	for _, unit := range units {
		if exists(s.path(unit)) {
			return true
		}
	}
	return false
}

// start starts the service, or has a daemon that runs read what has changed. Without systemd
// it says how to start one; running is false then.
func (s *Setup) start(ctx context.Context, r *record, cfg *config.Config, wanted, changed bool) (running bool, err error) {
	if _, err := control.Dial(cfg.Socket).Status(ctx); err == nil {
		return true, s.reread(ctx, cfg, changed)
	}
	if !s.hasService() || !wanted {
		fmt.Fprintf(s.Out, "\nStart it with: %s\n", s.startCommand())
		return false, nil
	}
	if err := r.service(); err != nil {
		return false, err
	}
	if out, err := s.Run(ctx, "systemctl", "enable", "--now", "tollwarden.service"); err != nil {
		return false, fmt.Errorf("the service did not start: %s: see `journalctl -u tollwarden -n 20`", explain(out, err))
	}
	fmt.Fprintln(s.Out, "\nTollwarden is started, and starts after each boot.")
	return true, nil
}

// reread has the running daemon read its configuration, and restarts the service if it has to
// be for that.
func (s *Setup) reread(ctx context.Context, cfg *config.Config, changed bool) error {
	if !changed {
		return nil
	}
	_, err := control.Dial(cfg.Socket).Reload(ctx)
	if err == nil {
		fmt.Fprintln(s.Out, "\nThe running daemon has taken it over.")
		return nil
	}
	if !s.hasService() {
		return fmt.Errorf("the running daemon did not take it over, restart it: %w", err)
	}
	if out, err := s.Run(ctx, "systemctl", "restart", "tollwarden.service"); err != nil {
		return fmt.Errorf("the service did not restart: %s: see `journalctl -u tollwarden -n 20`", explain(out, err))
	}
	fmt.Fprintln(s.Out, "\nTollwarden is restarted.")
	return nil
}

// startCommand is what a person types to start the daemon.
func (s *Setup) startCommand() string {
	if s.hasService() {
		return "systemctl enable --now tollwarden"
	}
	return typed(incident.Command("run", "-c", s.config()))
}
