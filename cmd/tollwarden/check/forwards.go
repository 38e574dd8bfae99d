package check

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tollwarden/tollwarden/responder/calls"
)

// forwardSource is what is asked for call forwards.
type forwardSource interface {
	Forwards(ctx context.Context) ([]calls.Forward, error)
}

// listForwards names the call forwards that lead to costly numbers now. The daemon tells
// only of those that are set while it is installed.
func listForwards(ctx context.Context, w io.Writer, asterisk forwardSource, rules calls.Rules) {
	list, err := asterisk.Forwards(ctx)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not list the call forwards in Asterisk's database: %v\n", err)
		return
	}
	now := time.Now()
	words := calls.NewDetector(now, rules, nil).CostlyForwards(now, list)
	more := max(0, len(words)-maxNamed)
	for _, line := range words[:len(words)-more] {
		fmt.Fprintf(w, "  warning: %s. Is that yours?\n", line)
	}
	if more > 0 {
		fmt.Fprintf(w, "  warning: %d more call forwards lead to costly numbers.\n", more)
	}
}
