package check

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/tollwarden/tollwarden/ami/pbx"
	"github.com/tollwarden/tollwarden/config"
)

// maxNamed is how many accounts one line names.
const maxNamed = 20

// passwords says which passwords cannot be changed.
type passwords interface {
	TryRotate(ctx context.Context, atMost int) (pbx.Trial, error)
}

func passwordChanges(ctx context.Context, cfg *config.Config, s *session) []Result {
	if !rotates(cfg) {
		return nil
	}
	return listUnrotatable(ctx, s.manager)
}

// listUnrotatable names the accounts whose password would stay the stolen one after a
// break-in, and why. It fails if there is a kind of them of which none can be rotated.
func listUnrotatable(ctx context.Context, asterisk passwords) (out []Result) {
	trial, err := asterisk.TryRotate(ctx, 0)
	list := trial.Failed
	if len(list) == 0 {
		list = trial.Hopeless // a hook
	}
	if err != nil {
		out = append(out, warning("could not find out whether every password can be changed: %v", err))
	}
	type group struct {
		reason string // of the first
		names  []string
	}
	var groups []*group
	alike := map[string]*group{} // accounts of one file have one reason, but for their names
	for _, u := range list {
		g := alike[strings.ReplaceAll(u.Reason, u.Account, "")]
		if g == nil {
			g = &group{reason: u.Reason}
			alike[strings.ReplaceAll(u.Reason, u.Account, "")] = g
			groups = append(groups, g)
		}
		g.names = append(g.names, strconv.Quote(u.Account))
	}
	for _, g := range groups {
		more := ""
		if n := len(g.names) - maxNamed; n > 0 {
			g.names, more = g.names[:maxNamed], fmt.Sprintf(" and %d more", n)
		}
		r := warning("rotating %s%s would fail, and the stolen password would stay valid: %s", strings.Join(g.names, ", "), more, g.reason)
		if len(trial.Hopeless) > 0 {
			r.State = Failed
		}
		if strings.Contains(g.reason, "setup --database") {
			r = r.fix("tollwarden setup --database")
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		out = append(out, passed("every extension's password could be changed after a break-in"))
	}
	return out
}
