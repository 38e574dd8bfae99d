package notify

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
)

// Limits of what waits for one receiver.
const (
	maxArriving = 1 << 10 // messages that nobody has looked at
	maxQueue    = 256     // to be told singly once the receiver answers
	maxHeld     = 1000    // to be named in a digest
	// giveUp is how long a message is tried for.
	giveUp = 24 * time.Hour
)

// Limit keeps a receiver from being flooded.
type Limit struct {
	AtOnce int           // messages of one kind told singly within Digest; 0: all
	Digest time.Duration // after the first of them the rest is told in one
}

var (
	errRemoved = errors.New("is no receiver any more")
	errCounted = errors.New("too many at once: counted in a digest, not named")
)

// address is a receiver with what is decided about it.
type address struct {
	Receiver
	limit  Limit
	within time.Duration // of one try
}

// letter is a message on its way to one receiver.
type letter struct {
	*Message
	receipt *receipt
}

// outbox is what waits for one receiver. Its fields without a lock belong to
// run.
type outbox struct {
	kind string // of receiver
	host string // this machine
	log  zerolog.Logger
	to   atomic.Pointer[address] // nil: nobody
	setC chan struct{}           // to has changed
	inC  chan letter
	full atomic.Uint64 // letters that did not fit and that no digest has counted
	// pushed are all letters, told and lost those that are over.
	pushed, told, lost atomic.Uint64
	failing            atomic.Bool // the receiver did not answer

	queue []letter // to be told singly, in order
	held  []letter // to be named in a digest
	sent  map[string]int
	ends  time.Time // of the period that sent counts; zero: none has begun
	retry time.Time // when the receiver failed: of the next try
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

// set changes who is told from the next try on, which is made at once.
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

// run delivers until ctx ends. What has not been told by then has no outcome.
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

// next is when there is something to do although nothing comes.
func (o *outbox) next() time.Time {
	if !o.retry.IsZero() {
		return o.retry
	}
	return o.ends
}

// take sorts a letter: to be told singly, or in a digest.
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
	if over := to.limit.AtOnce > 0 && o.sent[l.Kind] > to.limit.AtOnce; over || len(o.queue) >= maxQueue {
		o.hold(l)
		return
	}
	o.queue = append(o.queue, l)
}

// hold keeps a letter for the digest: what is named of it.
func (o *outbox) hold(l letter) {
	if len(o.held) >= maxHeld {
		o.full.Add(1)
		o.drop(l, errCounted)
		return
	}
	o.held = append(o.held, letter{&Message{Kind: l.Kind, At: l.At, Subject: l.Subject, Brief: l.Brief}, l.receipt})
	l.receipt.later(o, o.name()+": comes with a digest")
}

// work tells what is due, until nothing is or the receiver fails.
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
			o.log.Error().Err(err).Str("receiver", to.Name()).Str("message", l.Subject).Msg("a message was refused: it is named in the next digest")
			o.hold(l)
		case err != nil && !partly(err):
			o.failed(to, err)
			return
		default:
			o.deliver(to, l, err)
		}
		o.queue = o.queue[1:]
	}
	if now := time.Now(); !o.ends.IsZero() && !now.Before(o.ends) && !o.close(ctx, now, to) {
		return
	}
	o.retry = time.Time{} // nothing is left to be tried again
}

// close ends a period, with its digest; ok is false when that could not be told.
// Of a digest that is refused the next one tells the number alone: a receiver
// that answers is not dead, and what comes singly must not wait for it.
func (o *outbox) close(ctx context.Context, now time.Time, to *address) (ok bool) {
	unnamed := o.full.Load()
	if len(o.held) > 0 || unnamed > 0 {
		named := make([]line, len(o.held))
		for i, l := range o.held {
			named[i] = line{l.At, l.Subject, l.Brief}
		}
		err := o.try(ctx, to, digestOf(o.host, now, named, unnamed))
		switch {
		case err != nil && ctx.Err() != nil:
			return false
		case refused(err):
			o.log.Error().Err(err).Str("receiver", to.Name()).Int("messages", len(o.held)).Msg("a digest was refused: its messages are given up")
			o.full.Add(uint64(len(o.held)))
			for _, l := range o.held {
				o.drop(l, err)
			}
		case err != nil && !partly(err):
			o.failed(to, err)
			return false
		default:
			o.full.Add(-unnamed)
			for _, l := range o.held {
				o.deliver(to, l, err)
			}
		}
		o.held = nil
	}
	clear(o.sent)
	o.ends = time.Time{}
	return true
}

// try delivers once.
func (o *outbox) try(ctx context.Context, to *address, m *Message) error {
	within, cancel := context.WithTimeoutCause(ctx, to.within, errors.New("no answer within "+to.within.String()))
	defer cancel()
	err := to.Deliver(within, m)
	if err != nil && !partly(err) && within.Err() != nil {
		err = context.Cause(within)
	}
	if partly(err) {
		o.log.Error().Err(err).Str("receiver", to.Name()).Str("message", m.Subject).Msg("not everybody was told")
	}
	if (err == nil || partly(err)) && !o.retry.IsZero() {
		o.log.Info().Str("receiver", to.Name()).Msg("the receiver answers again")
		o.retry = time.Time{}
	}
	return err
}

// failed puts everything off, and gives up what has waited too long.
func (o *outbox) failed(to *address, err error) {
	now := time.Now()
	if o.retry.IsZero() {
		o.delay.Reset()
		o.log.Error().Err(err).Str("receiver", to.Name()).Msg("nobody could be told: tried again")
	}
	o.retry = now.Add(o.delay.NextBackOff())
	for _, waiting := range []*[]letter{&o.queue, &o.held} {
		kept := (*waiting)[:0]
		for _, l := range *waiting {
			if now.Sub(l.At) >= giveUp {
				o.drop(l, err)
				continue
			}
			l.receipt.later(o, o.name()+": not yet: "+err.Error())
			kept = append(kept, l)
		}
		*waiting = kept
	}
}

// deliver counts a letter as told; but is who of several did not take it, or nil.
func (o *outbox) deliver(to *address, l letter, but error) {
	o.told.Add(1)
	words := to.Name() + " told"
	if but != nil {
		words += ", but not all: " + but.Error()
	}
	l.receipt.told(o, words)
}

func (o *outbox) drop(l letter, err error) {
	o.lost.Add(1)
	l.receipt.lost(o, o.name()+": "+err.Error())
}

// dropAll drops everything that waits.
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
