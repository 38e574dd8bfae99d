package check

import (
	"context"
	"fmt"
	"io"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
)

// peopleSource is what is asked who the accounts belong to.
type peopleSource interface {
	People(ctx context.Context) ([]people.Person, error)
}

// countPeople says how many extensions have a name, and, if users get mail, how many of
// them it would reach.
func countPeople(ctx context.Context, w io.Writer, asterisk peopleSource, cfg *config.Config) {
	list, err := asterisk.People(ctx)
	d := people.NewDirectory(list)
	if err != nil {
		fmt.Fprintf(w, "  warning: could not read the names of all extensions: %v\n", err)
	}
	if cfg.Notify.Users.Mail {
		fmt.Fprintf(w, "  Users who get an e-mail if their password is changed: %d of %s with a name or an address in Asterisk's configuration (notify.users).\n",
			d.WithEmail(), incident.Count(d.Len(), "extension"))
	}
}
