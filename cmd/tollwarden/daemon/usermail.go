package daemon

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/notify"
)

const (
	// userMailWithin is how old a change of a password may be for its user to hear of it: an
	// old incident that grows after a restart is no news.
	userMailWithin = 10 * time.Minute
	// maxUsersTold bounds the accounts and incidents that are remembered.
	maxUsersTold = 4096
)

// userMail tells the person of an account that its password was changed after an incident,
// once for each account and incident.
type userMail struct {
	host  string
	words atomic.Pointer[notify.UserWords] // nil: it is off
	names *roster
	send  func(m *notify.Message, report func(notify.Outcome))
	log   zerolog.Logger

	mu   sync.Mutex
	told map[userTold]bool
}

type userTold struct {
	incident int64
	account  string
}

// also looks at each change of an incident, and passes it on to next, which may be nil.
func (u *userMail) also(next func(incident.Incident)) func(incident.Incident) {
	return func(i incident.Incident) {
		u.changed(time.Now(), &i)
		if next != nil {
			next(i)
		}
	}
}

// changed looks whether a change of an incident is one that a user should know of. It does
// not wait.
func (u *userMail) changed(now time.Time, i *incident.Incident) {
	words := u.words.Load()
	if words == nil || i.Mode != incident.Enforce {
		return
	}
	for n, s := range i.Steps {
		if s.Step != incident.StepRotate || s.State != incident.Done {
			continue
		}
		took, err := time.ParseDuration(s.Took.String())
		at := i.Started(n).Add(took)
		if err != nil || now.Sub(at) > userMailWithin || !u.first(userTold{i.ID, s.Target}) {
			continue
		}
		u.tell(words, s.Target, at)
	}
}

// first says whether an account's person was not told of an incident before.
func (u *userMail) first(t userTold) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.told[t] {
		return false
	}
	if u.told == nil || len(u.told) >= maxUsersTold {
		u.told = map[userTold]bool{}
	}
	u.told[t] = true
	return true
}

func (u *userMail) tell(words *notify.UserWords, account string, at time.Time) {
	d := u.names.directory()
	log := u.log.With().Str("account", account).Logger()
	to := d.Emails(account)
	if len(to) == 0 {
		log.Info().Msg("voicemail.conf has no e-mail address for this extension: nobody is told that its phones need the new password")
		return
	}
	m, err := words.Of(u.host, account, d.Name(account), at.Local(), to)
	if err != nil {
		log.Error().Err(err).Msg("the template of notify.users failed: the user is not told")
		return
	}
	u.send(m, func(o notify.Outcome) {
		if o.Final {
			log.Info().Str("outcome", o.Detail).Msg("message to the user of an extension: its phones need the new password")
		}
	})
}
