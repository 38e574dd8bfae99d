package check

import (
	"context"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	directory "github.com/tollwarden/tollwarden/responder/people"
)

// peopleSource is what is asked who the accounts belong to.
type peopleSource interface {
	People(ctx context.Context) ([]directory.Person, error)
}

func people(ctx context.Context, cfg *config.Config, s *session) []Result {
	return countPeople(ctx, s.manager, cfg)
}

// countPeople says how many extensions have a name, and, if users get mail, how many of
// them it would reach.
func countPeople(ctx context.Context, asterisk peopleSource, cfg *config.Config) (out []Result) {
	list, err := asterisk.People(ctx)
	d := directory.NewDirectory(list)
	if err != nil {
		out = append(out, warning("could not read the names of all extensions: %v", err))
	}
	if cfg.Notify.Users.Mail {
		out = append(out, note("users who get an e-mail if their password is changed: %d of %s with a name or an address in Asterisk's configuration (notify.users)",
			d.WithEmail(), incident.Count(d.Len(), "extension")))
	}
	return out
}
