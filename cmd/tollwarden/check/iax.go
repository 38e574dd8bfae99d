package check

import (
	"context"
	"slices"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/calls"
)

// accounts lists Asterisk's accounts.
type accounts interface {
	Accounts(ctx context.Context) ([]calls.Account, error)
}

// iax says what of IAX2 is not covered, if there are accounts of it. A failure shows
// elsewhere.
func iax(ctx context.Context, asterisk accounts, cfg *config.Config) (out []Result) {
	list, err := asterisk.Accounts(ctx)
	if err != nil || !slices.ContainsFunc(list, func(a calls.Account) bool { return a.Unannounced }) {
		return nil
	}
	if cfg.Asterisk.Log == "" {
		out = append(out, warning("asterisk.log is not set: wrong passwords over IAX2 are not seen at all"))
	}
	return append(out, note("IAX2 raises no events. Its calls and registrations are looked up; its wrong passwords are read from Asterisk's log, and their IP addresses may be spoofed. "+
		"Not covered: guesses from where phones are used are not throttled; an extension cannot be limited to networks, and the daemon itself ends the calls of a locked one, but for emergency calls"))
}
