package check

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
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
	TryRotate(ctx context.Context, atMost int) (pbx.Trial, error)
}

// rotates says whether a playbook in use changes passwords.
func rotates(cfg *config.Config) bool {
	return slices.ContainsFunc(settings.StepsInUse(cfg), func(s config.Step) bool { return incident.StepKind(s) == incident.StepRotate })
}

// editsFiles says whether a playbook in use changes Asterisk's files.
func editsFiles(cfg *config.Config) bool {
	return slices.ContainsFunc(settings.StepsInUse(cfg), func(s config.Step) bool {
		return s == config.StepRotate || s == config.StepLock || s == config.StepRestrict
	})
}

// listUnrotatable names the accounts whose password would stay the stolen one after a
// break-in, and why. hopeless says that there is a kind of them of which none can be
// rotated.
func listUnrotatable(ctx context.Context, w io.Writer, asterisk passwords) (hopeless bool) {
	trial, err := asterisk.TryRotate(ctx, 0)
	list := trial.Failed
	if len(list) == 0 {
		list = trial.Hopeless // a hook
	}
	if err != nil {
		fmt.Fprintf(w, "  warning: could not find out whether every password can be changed: %v\n", err)
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
		fmt.Fprintf(w, "  warning: rotating %s%s would fail, and the stolen password would stay valid: %s.\n", strings.Join(g.names, ", "), more, g.reason)
	}
	return len(trial.Hopeless) > 0
}

// explainHook says that the command of a hook behind a socket can be run: listUnrotatable
// has asked.
func explainHook(w io.Writer, cfg *config.Config, hopeless bool) {
	if hook := settings.RotateHook(cfg); hook != "" && !hopeless && strings.HasPrefix(hook, pbx.HookSocket) {
		fmt.Fprintf(w, "  rotate.exec: %s answers, and can run its command.\n", hook)
	}
}
