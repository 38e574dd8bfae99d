package notify

import (
	"context"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// Receivers are those who are told; nil is nobody.
type Receivers struct {
	Webhook, Mail, Syslog Receiver
	Within                time.Duration // of one try
	// Limit spares the people behind Webhook and Mail. Syslog is a record and
	// gets everything.
	Limit Limit
}

// Each yields the receivers there are.
func (r *Receivers) Each(yield func(Receiver) bool) {
	for _, to := range []Receiver{r.Webhook, r.Mail, r.Syslog} {
		if to != nil && !yield(to) {
			return
		}
	}
}

// Post tells every receiver of every message, each through an outbox of its own.
type Post struct{ webhook, mail, syslog *outbox }

// NewPost makes a Post without receivers; host is what digests call this machine.
func NewPost(host string, log zerolog.Logger) *Post {
	return &Post{newOutbox("webhook", host, log), newOutbox("e-mail", host, log), newOutbox("syslog", host, log)}
}

func (p *Post) boxes() []*outbox { return []*outbox{p.webhook, p.mail, p.syslog} }

// Set changes the receivers, while the Post runs or before. What waits for one
// goes to the one in its place.
func (p *Post) Set(r Receivers) {
	set := func(o *outbox, to Receiver, limit Limit) {
		if to == nil {
			o.set(nil)
			return
		}
		o.set(&address{Receiver: to, limit: limit, within: r.Within})
	}
	set(p.webhook, r.Webhook, r.Limit)
	set(p.mail, r.Mail, r.Limit)
	set(p.syslog, r.Syslog, Limit{Digest: r.Limit.Digest})
}

// Tell queues a message for every receiver and does not wait. report is called
// when something is known of it, from any goroutine and the last time with an
// Outcome that is Over; never again when Run has ended before.
func (p *Post) Tell(m *Message, report func(Outcome)) {
	r := &receipt{report: report}
	for _, o := range p.boxes() {
		if o.to.Load() != nil {
			r.boxes, r.words = append(r.boxes, o), append(r.words, "")
		}
	}
	if r.open = len(r.boxes); r.open == 0 {
		report(Outcome{Over: true, Deaf: true, Detail: "no receiver is configured"})
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

// Counts are deliveries to single receivers since the start.
type Counts struct {
	Told, Lost uint64 // made, singly or in digests, and given up
	Waiting    uint64 // for a receiver that does not answer, or for a digest
	Unanswered uint64 // of those Waiting: for a receiver that does not answer
}

// Counts are the deliveries of all receivers.
func (p *Post) Counts() (c Counts) {
	for _, o := range p.boxes() {
		told, lost := o.told.Load(), o.lost.Load()
		c.Told += told
		c.Lost += lost
		waiting := o.pushed.Load() - told - lost // in this order never below zero
		c.Waiting += waiting
		if o.failing.Load() {
			c.Unanswered += waiting
		}
	}
	return c
}
