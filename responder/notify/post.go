package notify

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/tollwarden/tollwarden/responder/texts"
)

// Receivers are the configured receivers; nil where there is none.
type Receivers struct {
	Webhook, Mail, Syslog Receiver
	// Users gets what is for the person of an account, and nothing else.
	Users  Receiver
	Within time.Duration // timeout of one attempt
	// Limit applies to Webhook and Mail, which people read. Syslog is a record
	// and gets every message.
	Limit Limit
	// Language is that of digests; nil is English.
	Language *texts.Language
}

// Each yields the receivers that are configured.
func (r *Receivers) Each(yield func(Receiver) bool) {
	for _, to := range []Receiver{r.Webhook, r.Mail, r.Syslog} {
		if to != nil && !yield(to) {
			return
		}
	}
}

// Post sends every message to every receiver, each through its own outbox.
type Post struct{ webhook, mail, syslog, users *outbox }

// NewPost returns a Post without receivers; host is this machine's name in digests.
func NewPost(host string, log zerolog.Logger) *Post {
	return &Post{newOutbox("webhook", host, log), newOutbox("e-mail", host, log), newOutbox("syslog", host, log), newOutbox("e-mail to users", host, log)}
}

func (p *Post) boxes() []*outbox { return []*outbox{p.webhook, p.mail, p.syslog, p.users} }

// Set replaces the receivers, before or while the Post runs. Messages pending for
// one go to its successor.
func (p *Post) Set(r Receivers) {
	set := func(o *outbox, to Receiver, limit Limit) {
		if to == nil {
			o.set(nil)
			return
		}
		o.set(&address{Receiver: to, limit: limit, within: r.Within, language: r.Language})
	}
	set(p.webhook, r.Webhook, r.Limit)
	set(p.mail, r.Mail, r.Limit)
	set(p.syslog, r.Syslog, Limit{Digest: r.Limit.Digest})
	set(p.users, r.Users, Limit{Digest: r.Limit.Digest}) // a digest would mix what is for several people
}

// Send queues a message for every receiver and does not wait. report is called
// from any goroutine each time the Outcome changes; the last call has a Final
// one, unless Run ends before.
func (p *Post) Send(m *Message, report func(Outcome)) {
	send(m, report, p.webhook, p.mail, p.syslog)
}

// SendUser queues a message for the people that it names, and otherwise works like Send.
func (p *Post) SendUser(m *Message, report func(Outcome)) { send(m, report, p.users) }

func send(m *Message, report func(Outcome), boxes ...*outbox) {
	r := &receipt{report: report}
	for _, o := range boxes {
		if o.to.Load() != nil {
			r.boxes, r.details = append(r.boxes, o), append(r.details, "")
		}
	}
	if r.open = len(r.boxes); r.open == 0 {
		report(Outcome{Final: true, NoReceiver: true, Detail: "no receiver is configured"})
		return
	}
	for _, o := range r.boxes {
		o.push(letter{m, r})
	}
}

// Run delivers until ctx ends.
func (p *Post) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, o := range p.boxes() {
		g.Go(func() error { o.run(ctx); return nil })
	}
	return g.Wait()
}

// Counts are deliveries since the start; a message to two receivers counts twice.
type Counts struct {
	Delivered uint64 // individually or in a digest
	Lost      uint64 // given up
	Pending   uint64 // until a receiver answers or a digest is due
	Retrying  uint64 // the part of Pending whose receiver does not answer
}

// Counts adds up the deliveries of all receivers.
func (p *Post) Counts() (c Counts) {
	for _, o := range p.boxes() {
		delivered, lost := o.delivered.Load(), o.lost.Load()
		c.Delivered += delivered
		c.Lost += lost
		pending := o.pushed.Load() - delivered - lost // read last, so it is never below zero
		c.Pending += pending
		if o.failing.Load() {
			c.Retrying += pending
		}
	}
	return c
}
