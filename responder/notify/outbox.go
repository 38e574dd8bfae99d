package notify

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/responder/report"
	"github.com/tollwarden/tollwarden/responder/texts"
)

// Limits on the messages pending for one receiver.
const (
	maxArriving = 1 << 10 // messages that run has not taken yet
	maxQueue    = 256     // to be sent individually once the receiver answers
	maxHeld     = 1000    // to be listed in a digest
	// giveUp is how long delivery of a message is retried.
	giveUp = 24 * time.Hour
)

// Limit keeps a receiver from being flooded.
type Limit struct {
	Burst  int           // messages of one kind sent individually within Digest; 0: all
	Digest time.Duration // how long after the first of them the digest of the rest is sent
}

var (
	errRemoved = errors.New("the receiver was removed from the configuration")
	errCounted = errors.New("too many at once: counted in a digest, but not listed")
)

// address is a receiver with its settings.
type address struct {
	Receiver
	limit    Limit
	within   time.Duration   // timeout of one attempt
	language *texts.Language // of digests; nil: English
}

// styled is the style of digests from a machine.
func (a *address) styled(host string) report.Style {
	return report.Style{Language: a.language, Site: host}
}

// letter is one message for one receiver.
type letter struct {
	*Message
	receipt *receipt
}

// outbox holds the messages pending for one receiver. The fields that are
// neither atomic nor channels belong to run.
type outbox struct {
	kind string // of the receiver: webhook, e-mail, syslog
	host string // this machine
	log  zerolog.Logger
	to   atomic.Pointer[address] // nil: no receiver
	setC chan struct{}           // signals that to has changed
	inC  chan letter
	full atomic.Uint64 // letters that did not fit and that no digest has counted yet
	// pushed counts all letters; delivered and lost those with an outcome.
	pushed, delivered, lost atomic.Uint64
	failing                 atomic.Bool // the last attempt got no answer

	queue []letter       // to be sent individually, in order
	held  []letter       // to be listed in the next digest
	sent  map[string]int // messages by kind within the current period
	ends  time.Time      // end of that period; zero: none has begun
	retry time.Time      // time of the next attempt; zero: the last one got an answer
	delay *backoff.ExponentialBackOff
}

func newOutbox(kind, host string, log zerolog.Logger) *outbox {
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval, delay.Multiplier, delay.MaxInterval = time.Second, 2, 10*time.Minute
	return &outbox{
		kind: kind, host: host, log: log, setC: make(chan struct{}, 1), inC: make(chan letter, maxArriving),
		sent: map[string]int{}, delay: delay,
	}
}

// set replaces the receiver. Pending messages go to the new one at once.
func (o *outbox) set(to *address) {
	o.to.Store(to)
	select {
	case o.setC <- struct{}{}:
	default:
	}
}

// push queues a letter without waiting.
func (o *outbox) push(l letter) {
	o.pushed.Add(1)
	select {
	case o.inC <- l:
	default:
		o.full.Add(1)
		o.drop(l, errCounted)
	}
}

// run delivers until ctx ends. Messages that are pending then get no outcome.
func (o *outbox) run(ctx context.Context) {
	for {
		var wakeC <-chan time.Time
		if at := o.next(); !at.IsZero() {
			wakeC = time.After(time.Until(at))
		}
		select {
		case l := <-o.inC:
			o.take(time.Now(), l)
		case <-wakeC:
		case <-o.setC:
			if !o.retry.IsZero() {
				o.retry = time.Now()
			}
		case <-ctx.Done():
			return
		}
		if ctx.Err() == nil {
			o.work(ctx)
		}
		o.failing.Store(!o.retry.IsZero())
	}
}

// next is when run has to wake up by itself; zero is never.
func (o *outbox) next() time.Time {
	if !o.retry.IsZero() {
		return o.retry
	}
	return o.ends
}

// take queues a letter: to be sent individually, or listed in a digest.
func (o *outbox) take(now time.Time, l letter) {
	to := o.to.Load()
	if to == nil {
		o.drop(l, errRemoved)
		return
	}
	if o.ends.IsZero() {
		o.ends = now.Add(to.limit.Digest)
	}
	o.sent[l.Kind]++
	if over := to.limit.Burst > 0 && o.sent[l.Kind] > to.limit.Burst; over || len(o.queue) >= maxQueue {
		o.hold(l)
		return
	}
	o.queue = append(o.queue, l)
}

// hold keeps the parts of a letter that the digest lists.
func (o *outbox) hold(l letter) {
	if len(o.held) >= maxHeld {
		o.full.Add(1)
		o.drop(l, errCounted)
		return
	}
	o.held = append(o.held, letter{&Message{Kind: l.Kind, At: l.At, Subject: l.Subject, Brief: l.Brief}, l.receipt})
	l.receipt.pending(o, o.name()+": will be in the next digest")
}

// work delivers everything that is due, until the receiver fails.
func (o *outbox) work(ctx context.Context) {
	to := o.to.Load()
	if to == nil {
		o.dropAll(errRemoved)
		return
	}
	if time.Now().Before(o.retry) {
		return
	}
	for len(o.queue) > 0 {
		l := o.queue[0]
		err := o.try(ctx, to, l.Message)
		switch {
		case ctx.Err() != nil:
			return
		case refused(err):
			o.log.Error().Err(err).Str("receiver", to.Name()).Str("message", l.Subject).Msg("the receiver refused a message; the next digest lists it")
			o.hold(l)
		case err != nil && !isPartly(err):
			o.failed(to, err)
			return
		default:
			o.confirm(to, l, err)
		}
		o.queue = o.queue[1:]
	}
	if now := time.Now(); !o.ends.IsZero() && !now.Before(o.ends) && !o.close(ctx, now, to) {
		return
	}
	o.retry = time.Time{} // nothing is left to retry
}

// close ends a period by sending its digest; ok is false when the digest could
// not be sent. Messages of a refused digest are only counted in the next one: a
// receiver that answers is not dead, so individual messages must not wait.
func (o *outbox) close(ctx context.Context, now time.Time, to *address) (ok bool) {
	unlisted := o.full.Load()
	if len(o.held) > 0 || unlisted > 0 {
		listed := make([]line, len(o.held))
		for i, l := range o.held {
			listed[i] = line{l.At, l.Subject, l.Brief}
		}
		err := o.try(ctx, to, digestOf(to.styled(o.host), now, listed, unlisted))
		switch {
		case err != nil && ctx.Err() != nil:
			return false
		case refused(err):
			o.log.Error().Err(err).Str("receiver", to.Name()).Int("messages", len(o.held)).Msg("the receiver refused a digest; its messages are lost")
			o.full.Add(uint64(len(o.held)))
			for _, l := range o.held {
				o.drop(l, err)
			}
		case err != nil && !isPartly(err):
			o.failed(to, err)
			return false
		default:
			o.full.Add(-unlisted)
			for _, l := range o.held {
				o.confirm(to, l, err)
			}
		}
		o.held = nil
	}
	clear(o.sent)
	o.ends = time.Time{}
	return true
}

// try makes one attempt to deliver.
func (o *outbox) try(ctx context.Context, to *address, m *Message) error {
	within, cancel := context.WithTimeoutCause(ctx, to.within, errors.New("no answer within "+to.within.String()))
	defer cancel()
	err := to.Deliver(within, m)
	if err != nil && !isPartly(err) && within.Err() != nil {
		err = context.Cause(within)
	}
	if isPartly(err) {
		o.log.Error().Err(err).Str("receiver", to.Name()).Str("message", m.Subject).Msg("some recipients did not get the message")
	}
	if (err == nil || isPartly(err)) && !o.retry.IsZero() {
		o.log.Info().Str("receiver", to.Name()).Msg("the receiver is answering again")
		o.retry = time.Time{}
	}
	return err
}

// failed schedules the next attempt and gives up messages that have waited too
// long.
func (o *outbox) failed(to *address, err error) {
	now := time.Now()
	if o.retry.IsZero() {
		o.delay.Reset()
		o.log.Error().Err(err).Str("receiver", to.Name()).Msg("delivery failed; retrying")
	}
	o.retry = now.Add(o.delay.NextBackOff())
	for _, waiting := range []*[]letter{&o.queue, &o.held} {
		kept := (*waiting)[:0]
		for _, l := range *waiting {
			if now.Sub(l.At) >= giveUp {
				o.drop(l, err)
				continue
			}
			l.receipt.pending(o, o.name()+": retrying: "+err.Error())
			kept = append(kept, l)
		}
		*waiting = kept
	}
}

// confirm records that a letter was delivered; missed names the recipients that
// did not get it, or is nil.
func (o *outbox) confirm(to *address, l letter, missed error) {
	o.delivered.Add(1)
	detail := to.Name() + ": delivered"
	if missed != nil {
		detail += ", but not to everyone: " + missed.Error()
	}
	l.receipt.deliveredTo(o, detail)
}

func (o *outbox) drop(l letter, err error) {
	o.lost.Add(1)
	l.receipt.lost(o, o.name()+": "+err.Error())
}

// dropAll drops every pending message.
func (o *outbox) dropAll(err error) {
	for _, l := range append(o.queue, o.held...) {
		o.drop(l, err)
	}
	o.queue, o.held, o.ends, o.retry = nil, nil, time.Time{}, time.Time{}
	clear(o.sent)
}

func (o *outbox) name() string {
	if to := o.to.Load(); to != nil {
		return to.Name()
	}
	return o.kind
}
