package check

import (
	"context"
	"time"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
)

// forwardSource is what is asked for call forwards.
type forwardSource interface {
	Forwards(ctx context.Context) ([]calls.Forward, error)
}

func forwards(ctx context.Context, cfg *config.Config, s *session) []Result {
	policy, err := settings.Policy(cfg)
	if err != nil {
		return []Result{failed("%v", err)}
	}
	return listForwards(ctx, s.manager, policy.Calls)
}

// listForwards names the call forwards that lead to costly numbers now. The daemon tells
// only of those that are set while it is installed.
func listForwards(ctx context.Context, asterisk forwardSource, rules calls.Rules) (out []Result) {
	list, err := asterisk.Forwards(ctx)
	if err != nil {
		return []Result{warning("could not list the call forwards in Asterisk's database: %v", err)}
	}
	now := time.Now()
	words := calls.NewDetector(now, rules, nil).CostlyForwards(now, list)
	more := max(0, len(words)-maxNamed)
	for _, line := range words[:len(words)-more] {
		out = append(out, warning("%s. Is that yours?", line))
	}
	if more > 0 {
		out = append(out, warning("%d more call forwards lead to costly numbers", more))
	}
	return out
}
