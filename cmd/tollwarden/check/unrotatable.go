package check

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
)

// maxNamed is how many accounts one line names.
const maxNamed = 20

// passwords says which passwords cannot be changed.
type passwords interface {
	Unrotatable(ctx context.Context) ([]pbx.Unrotatable, error)
}

// rotates says whether a playbook in use changes passwords.
func rotates(cfg *config.Config) bool {
	return slices.ContainsFunc(settings.StepsInUse(cfg), func(s config.Step) bool { return incident.StepKind(s) == incident.StepRotate })
}

// listUnrotatable names the accounts whose password would stay the stolen one after a
// break-in, and why.
func listUnrotatable(ctx context.Context, w io.Writer, asterisk passwords) {
	list, err := asterisk.Unrotatable(ctx)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not find out whether every password can be changed: %v\n", err)
	}
	var reasons []string
	accounts := map[string][]string{}
	for _, u := range list {
		// Accounts of one file have one reason, but for their names.
		reason := strings.ReplaceAll(u.Reason, u.Account, "…")
		if accounts[reason] == nil {
			reasons = append(reasons, reason)
		}
		accounts[reason] = append(accounts[reason], u.Account)
	}
	for _, reason := range reasons {
		of := accounts[reason]
		if len(of) == 1 {
			for _, u := range list {
				if u.Account == of[0] {
					reason = u.Reason
				}
			}
		}
		names := make([]string, 0, maxNamed)
		for _, name := range of[:min(len(of), maxNamed)] {
			names = append(names, fmt.Sprintf("%q", name))
		}
		more := ""
		if n := len(of) - maxNamed; n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(w, "  warning: after a break-in, the password of %s%s cannot be changed: %s.\n", strings.Join(names, ", "), more, reason)
	}
}
