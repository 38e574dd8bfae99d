package daemon

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/people"
)

const (
	// namesWithin bounds one reading of Asterisk's configuration.
	namesWithin = 30 * time.Second
	// namesSettle is how long a change of the configuration may go on before it is read.
	namesSettle = 500 * time.Millisecond
)

// peopleSource is who knows the people behind the accounts.
type peopleSource interface {
	// People may return a list with an error, which says why it is not complete.
	People(ctx context.Context) ([]people.Person, error)
}

// roster is who the accounts belong to, as last read. Nil knows nobody. Its methods may
// be called from any goroutine.
type roster struct {
	source  peopleSource
	log     zerolog.Logger
	againC  chan struct{}
	current atomic.Pointer[people.Directory]
	failing bool // the last reading was not complete; belongs to run
}

func newRoster(source peopleSource, log zerolog.Logger) *roster {
	return &roster{source: source, log: log, againC: make(chan struct{}, 1)}
}

// again has the names read again soon, without waiting: Asterisk's configuration may have
// changed.
func (n *roster) again() {
	if n == nil {
		return
	}
	select {
	case n.againC <- struct{}{}:
	default:
	}
}

// run reads the names when asked to, until ctx ends.
func (n *roster) run(ctx context.Context) error {
	for {
		select {
		case <-n.againC:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-time.After(namesSettle):
		case <-ctx.Done():
			return nil
		}
		select {
		case <-n.againC: // what changed meanwhile is about to be read
		default:
		}
		n.read(ctx)
	}
}

// read replaces the names. What could not be read completely replaces no longer list.
func (n *roster) read(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	list, err := n.source.People(asking)
	if ctx.Err() != nil {
		return
	}
	if err != nil && !n.failing {
		n.log.Warn().Err(err).Msg("cannot read the names of all extensions in Asterisk's configuration: messages and lists show some without")
	}
	n.failing = err != nil
	if d := people.NewDirectory(list); err == nil || d.Len() >= n.directory().Len() {
		n.current.Store(d)
	}
}

// directory is what is known now.
func (n *roster) directory() *people.Directory {
	if n == nil {
		return nil
	}
	return n.current.Load()
}

// of is the name of an account's person; "" if it is not known.
func (n *roster) of(account string) string { return n.directory().Name(account) }

// title is an account with its name.
func (n *roster) title(account string) string { return people.Title(account, n.of(account)) }

// name gives an incident the name of its account's person.
func (n *roster) name(i incident.Incident) incident.Incident {
	i.Name = n.of(i.Account)
	return i
}
