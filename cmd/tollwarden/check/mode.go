package check

import (
	"context"

	"github.com/tollwarden/tollwarden/config"
)

// mode says whether the daemon acts.
func mode(file string) func(context.Context, *config.Config) []Result {
	return func(_ context.Context, cfg *config.Config) []Result {
		if cfg.Mode == config.Observe {
			return []Result{warning("observe: everything is decided and recorded, and nothing is stopped").fix("tollwarden enforce")}
		}
		return []Result{passed("enforce: attacks are stopped")}
	}
}
