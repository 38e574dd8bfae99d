package main

import (
	"crypto/tls"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/incident"
	"github.com/tollwarden/tollwarden/responder/journal"
	"github.com/tollwarden/tollwarden/responder/ledger"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// hostName is what this machine is called where people are told.
func hostName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "this machine"
}

// receiversOf are those whom the configuration wants to be told.
func receiversOf(n *config.Notify) (notify.Receivers, error) {
	r := notify.Receivers{Within: n.Within, Limit: notify.Limit{Burst: n.Burst, Digest: n.Digest}}
	if n.Webhook != "" {
		r.Webhook = &notify.Webhook{URL: n.Webhook}
	}
	if n.Syslog != "" {
		r.Syslog = &notify.Syslog{Socket: n.Syslog}
	}
	m := &n.Mail
	if m.Server == "" {
		return r, nil
	}
	to := &notify.Mail{
		Server: m.Server, Security: notify.Security(m.Security), Username: m.Username, Password: string(m.Password),
		From: m.From, To: m.To, TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if m.CA != "" {
		var err error
		if to.TLS.RootCAs, err = authority("notify.mail.ca", m.CA); err != nil {
			return r, err
		}
	}
	r.Mail = to
	return r, nil
}

// telling is who is told at the moment, and in which words: a reload may change
// both.
type telling struct {
	receivers notify.Receivers
	words     *notify.Words
}

// tellingOf prepares what the configuration wants.
func tellingOf(n *config.Notify) (*telling, error) {
	receivers, err := receiversOf(n)
	if err != nil {
		return nil, err
	}
	words, err := notify.ParseWords(n.Subject, n.Text)
	if err != nil {
		return nil, err
	}
	return &telling{receivers, words}, nil
}

// notifier tells the receivers of incidents and alarms.
type notifier struct {
	host   string
	post   *notify.Post
	words  atomic.Pointer[notify.Words]
	ledger *ledger.Ledger
}

func newNotifier(t *telling, l *ledger.Ledger, log zerolog.Logger) *notifier {
	host := hostName()
	n := &notifier{host: host, post: notify.NewPost(host, log), ledger: l}
	n.set(t)
	return n
}

func (n *notifier) set(t *telling) {
	n.words.Store(t.words)
	n.post.Set(t.receivers)
}

// Deliver sends an incident.
func (n *notifier) Deliver(i *incident.Incident, report func(incident.State, string)) {
	m := n.words.Load().Of(n.host, onRecord(n.ledger, *i), time.Local)
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

var _ journal.Receiver = (*notifier)(nil)
