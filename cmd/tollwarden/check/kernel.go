package check

import (
	"context"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/daemon"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/firewall"
)

// kernel tries the ruleset without putting it in force.
func kernel(_ context.Context, cfg *config.Config) []Result {
	table := settings.Firewall(cfg)
	if err := firewall.Check(table); err != nil {
		return []Result{failed("%v", err)}
	}
	out := []Result{passed("the kernel accepts the whole ruleset of table inet %s", cfg.Firewall.Table)}
	if err := firewall.CheckWatch(table); err != nil {
		out = append(out, warning("%v: %s", err, daemon.WithoutWire).fix("modprobe nfnetlink_log"))
	}
	if err := firewall.CheckThrottle(table); err != nil {
		out = append(out, warning("%v: %s", err, daemon.WithoutThrottle).fix("modprobe nft_limit"))
	}
	return out
}
