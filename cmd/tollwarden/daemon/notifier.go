package daemon

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/cmd/tollwarden/settings"
	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/notify"
	"github.com/tollwarden/tollwarden/responder/report"
)

// notifyConfig is who gets messages, and in which words. A reload may change both.
type notifyConfig struct {
	receivers notify.Receivers
	words     *notify.Words
	style     report.Style // of alarms and summaries
	weekly    config.Weekly
	users     *notify.UserWords // nil: users get none
}

func parseNotifyConfig(n *config.Notify) (*notifyConfig, error) {
	receivers, err := settings.Receivers(n)
	if err != nil {
		return nil, err
	}
	words, err := settings.Words(n)
	if err != nil {
		return nil, err
	}
	c := &notifyConfig{receivers: receivers, words: words, weekly: n.Weekly}
	c.style = report.Style{Language: settings.Language(n), Site: hostName(), Zone: time.Local}
	if n.Users.Mail {
		if c.users, err = settings.UserWords(n); err != nil {
			return nil, fmt.Errorf("users: %w", err)
		}
	}
	return c, nil
}

// notifier sends incidents and alarms to the receivers.
type notifier struct {
	host   string
	post   *notify.Post
	config atomic.Pointer[notifyConfig]
	ledger *ledger.Ledger
	names  *roster
}

var _ journal.Receiver = (*notifier)(nil)

func newNotifier(c *notifyConfig, l *ledger.Ledger, log zerolog.Logger) *notifier {
	host := hostName()
	n := &notifier{host: host, post: notify.NewPost(host, log), ledger: l}
	n.set(c)
	return n
}

// set changes receivers and words from the next message on.
func (n *notifier) set(c *notifyConfig) {
	n.config.Store(c)
	n.post.Set(c.receivers)
}

// Deliver queues an incident for the receivers.
func (n *notifier) Deliver(i *incident.Incident, report func(incident.State, string)) {
	m := n.config.Load().words.Of(n.host, n.names.name(recorded(n.ledger, *i)), time.Local)
	n.post.Send(m, func(o notify.Outcome) {
		switch {
		case !o.Final:
			report(incident.Intended, o.Detail)
		case o.Delivered == 0:
			report(incident.Failed, o.Detail)
		default:
			report(incident.Done, o.Detail)
		}
	})
}

// recordWithin bounds reading the incident for a message: its readers get
// less then, not later.
const recordWithin = 2 * time.Second

// recorded is an incident with its calls and with Asterisk's own lines, or without
// if the ledger does not have all of it.
func recorded(l *ledger.Ledger, i incident.Incident) incident.Incident {
	ctx, cancel := context.WithTimeout(context.Background(), recordWithin)
	defer cancel()
	whole, err := l.Incident(ctx, i.ID)
	if err != nil {
		i.Bare = true
		return i
	}
	return whole
}
