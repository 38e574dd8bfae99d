package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
)

// Options say what Run does.
type Options struct {
	// Send sends every receiver a test message.
	Send bool
}

// Run explains a configuration, tests it and writes what it finds to w. Its error
// says how many tests failed.
func Run(ctx context.Context, w io.Writer, cfg *config.Config, o Options) error {
	allowed, err := config.LoadAllowFile(settings.AllowPath(cfg))
	if err != nil {
		return err
	}
	for _, warning := range settings.Warnings(cfg) { // the old names still work
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	if len(cfg.Warnings) > 0 {
		fmt.Fprintln(w)
	}
	Explain(w, cfg, allowed)
	tests := []struct {
		name string
		run  func(context.Context, io.Writer, *config.Config) error
	}{{"kernel", kernel}, {"files", files}, {"asterisk", Asterisk}, {"log", log}, {"receivers", receivers(o.Send)}}
	failed := 0
	for _, t := range tests {
		fmt.Fprintf(w, "\n%s: ", t.name)
		if err := t.run(ctx, w, cfg); err != nil {
			fmt.Fprintf(w, "FAILED: %v\n", err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("check: %d of %d checks failed", failed, len(tests))
	}
	return nil
}

// kernel tries the ruleset without putting it in force.
func kernel(_ context.Context, w io.Writer, cfg *config.Config) error {
	table := settings.Firewall(cfg)
	if err := firewall.Check(table); err != nil {
		return err
	}
	fmt.Fprintf(w, "ok: the kernel accepts the whole ruleset of table inet %s.\n", cfg.Firewall.Table)
	if err := firewall.CheckWatch(table); err != nil {
		fmt.Fprintf(w, "  warning: %v: %s.\n", err, daemon.WithoutWire)
	}
	if err := firewall.CheckThrottle(table); err != nil {
		fmt.Fprintf(w, "  warning: %v: %s.\n", err, daemon.WithoutThrottle)
	}
	return nil
}

// files tests that the daemon could write what it writes.
func files(_ context.Context, w io.Writer, cfg *config.Config) error {
	if err := errors.Join(settings.Writable(cfg.Data), settings.StepsCanWrite(cfg, settings.DaemonUser(cfg))); err != nil {
		return err
	}
	fmt.Fprintln(w, "ok: this user can write records, passwords and backups; for the daemon's user, see `tollwarden status`.")
	return nil
}

// log reads the end of Asterisk's log, and recommends one if none is set.
func log(_ context.Context, w io.Writer, cfg *config.Config) error {
	if cfg.Asterisk.Log == "" {
		fmt.Fprintln(w, "none. An attacker whose Call-ID is not UTF-8 raises no event at all and guesses unseen, but the log has the address.\n"+
			"  Set asterisk.log to a file to which logger.conf sends notice, warning and error, such as /var/log/asterisk/messages.")
		return nil
	}
	follower, err := settings.Follower(cfg)
	if err != nil {
		return err
	}
	health, err := follower.Sample(time.Now())
	if err != nil {
		return err
	}
	if problem := settings.LogProblem(health); problem != "" {
		return fmt.Errorf("%s: %s", cfg.Asterisk.Log, problem)
	}
	fmt.Fprintf(w, "ok: %s can be read; %d of its last %d lines show attempts.\n", cfg.Asterisk.Log, health.Counts.Seen, health.Counts.Lines)
	if others := health.Counts.Others; others > 0 {
		fmt.Fprintf(w, "  %d lines are other programs', or what Asterisk shows besides its log.\n", others)
	}
	if spoofed := settings.LogTrust(health.Trust); spoofed != "" {
		fmt.Fprintf(w, "  warning: %s.\n", spoofed)
	}
	return nil
}
